"""Vectors and records for galleries of tests."""

import numpy as np

from retizero.retrieval import Record

IDENTITY = {
    "id": "tiny",
    "architecture": "none",
    "embed_dim": 16,
    "preprocess": {"size": 8},
    "weights_sha256": "ab" * 32,
    "temperature": 1.0,
}


def unit(number, seed=0, dimension=16):
    vectors = np.random.default_rng(seed).normal(size=(number, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def records(number, start=0, per_group=3):
    return [
        Record(f"r{i}", f"images/{i}.png", f"label {i % 4}", f"g{i // per_group}", "source", i % 2 == 0)
        for i in range(start, start + number)
    ]


def ids(hits):
    return [hit.id for hit in hits]
