"""Data sets as people have them on disk, turned into manifests."""

from retizero.data.layouts.convert import COLUMNS, LAYOUTS, convert

__all__ = ["COLUMNS", "LAYOUTS", "convert"]
