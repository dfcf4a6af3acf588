"""What people see: Gradio pages, Plotly figures and the FastAPI server they are mounted on."""
