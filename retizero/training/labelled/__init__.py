"""Pretraining on labelled photographs: image stages and a text projection learn to meet prompts of labels.

What does not learn is computed once, so that two CPU cores can do it; the embedded model came about this way.
"""
