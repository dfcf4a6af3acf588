"""Masked autoencoding: self-supervised pretraining of the image tower."""
