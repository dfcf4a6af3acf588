"""What a reader meets: one case at a time, a viewer, a ranked differential. Every rule is in ``reader_study.conduct``."""

from webapp.pages.reading.page import page
from webapp.pages.reading.routes import routes

__all__ = ["page", "routes"]
