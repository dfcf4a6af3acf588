"""What study managers see: progress, and readers against the model, drawn from the study's one report."""

from webapp.pages.managing.page import page
from webapp.pages.managing.routes import routes

__all__ = ["page", "routes"]
