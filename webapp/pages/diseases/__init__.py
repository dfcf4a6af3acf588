"""The catalogue as teaching material: a searchable list, and a page with an address for each disease."""

from webapp.pages.diseases.routes import routes

__all__ = ["routes"]
