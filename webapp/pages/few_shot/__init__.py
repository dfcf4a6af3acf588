"""Few-shot teaching in the demo: a handful of labelled photographs per diagnosis make a classifier."""

from webapp.pages.few_shot.tab import tab
from webapp.pages.few_shot.uploads import KEPT

__all__ = ["KEPT", "tab"]
