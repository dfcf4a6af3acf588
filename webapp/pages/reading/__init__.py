"""What a reader meets: one case at a time, a viewer, a ranked differential. The rules are ``conduct``'s."""

from webapp.pages.reading.page import page
from webapp.pages.reading.routes import routes

__all__ = ["page", "routes"]
