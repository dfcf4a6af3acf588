"""How people get in: the page of a one-time link, and a new password for an account."""

from webapp.pages.joining.routes import routes

__all__ = ["routes"]
