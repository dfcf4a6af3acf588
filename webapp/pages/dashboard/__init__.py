"""Readers against the model, drawn from the study's one report."""

from webapp.pages.dashboard.page import page
from webapp.pages.dashboard.routes import routes

__all__ = ["page", "routes"]
