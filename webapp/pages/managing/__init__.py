"""What study managers do: studies and their states, progress by site. The rules are ``reader_study``'s."""

from webapp.pages.managing.routes import routes

__all__ = ["routes"]
