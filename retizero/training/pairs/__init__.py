"""Pretraining from image-text pairs at any scale: sources, towers, losses, the run."""
