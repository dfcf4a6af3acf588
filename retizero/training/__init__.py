"""Training: the loop and what it needs (``running``), what runs in it, and what is fitted without it."""
