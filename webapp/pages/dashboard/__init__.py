"""Readers against the model, and what help does, drawn from the study's one report."""

from webapp.pages.dashboard.routes import routes

__all__ = ["routes"]
