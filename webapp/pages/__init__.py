"""The three Gradio apps: demo, reading, managing."""
