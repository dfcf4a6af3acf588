"""Few-shot teaching in the demo: a handful of labelled photographs per diagnosis make a classifier."""

from webapp.pages.few_shot.tab import tab

__all__ = ["tab"]
