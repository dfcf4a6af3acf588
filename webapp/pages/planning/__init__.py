"""How many readers and cases a study needs: power by simulation, through the analysis it will have."""

from webapp.pages.planning.routes import routes

__all__ = ["routes"]
