"""Benchmarks: managers choose models and a manifest, and see what ``retizero evaluate`` measures."""

from webapp.pages.benchmark.routes import routes

__all__ = ["routes"]
