"""Losses, the train loop, pretraining, calibration."""
