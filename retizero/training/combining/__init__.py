"""One model from two or more: the mean of their weights, or their image towers side by side."""
