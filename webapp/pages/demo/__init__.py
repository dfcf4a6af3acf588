"""The public demo: one photograph, two answers (zero-shot ranking, similar cases), and what the model is."""

from webapp.pages.demo.page import page

__all__ = ["page"]
