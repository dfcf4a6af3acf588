"""The reader study: design, conduct, records, statistics. Knows no torch, no Gradio, no Plotly."""
