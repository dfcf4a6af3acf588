"""Fine-tuning: a classifier on top of an image tower, the tower learning wholly, by LoRA, or not at all."""
