"""Coloured discs with diagnoses, and recipes of towers small enough to train on them in seconds."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from retizero.training.pairs.recipe import PairRecipe
from retizero.training.strict_settings import settings_of
from tests.retizero.model.tiny_retizero import CONFIG, write_vocabulary

COLOURS = {
    "drusen": (200, 60, 30),
    "retinitis pigmentosa": (90, 40, 20),
    "macular hole": (30, 160, 60),
    "glaucoma": (40, 40, 200),
}
BERT = {
    **{name: value for name, value in CONFIG["bert"].items() if name != "vocab_size"},
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
VIT = {name: value for name, value in CONFIG["vit"].items() if name != "lora_rank"}


def write_discs(folder: Path, count: int = 24, size: int = 64) -> Path:
    """Discs whose colour tells the diagnosis; every fifth validates."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = []
    for index in range(count):
        label = list(COLOURS)[index % len(COLOURS)]
        picture = np.zeros((size, size, 3), np.uint8)
        colour = tuple(int(each * rng.uniform(0.8, 1.2)) for each in COLOURS[label])
        cv2.circle(picture, (size // 2, size // 2), size // 2 - 2, colour, -1)
        cv2.imwrite(str(folder / f"{index}.png"), picture[..., ::-1])
        rows.append((f"{index}.png", label, "val" if index % 5 == 4 else "train"))
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label", "split"])
        writer.writerows(rows)
    return manifest


def settings(folder: Path, **changes: Any) -> dict[str, Any]:
    """Plain values of a recipe; ``towers`` and other parts in ``changes`` are merged in."""
    vocabulary = write_vocabulary(folder / "vocabulary")
    values: dict[str, Any] = {
        "recipe": "pairs",
        "id": "tiny",
        "out": str(folder / "model"),
        "checkpoints": str(folder / "checkpoints"),
        "epochs": 2,
        "batch": 8,
        "towers": {
            "tokenizer": str(vocabulary),
            "vit": VIT,
            "bert_sizes": BERT,
            "embed_dim": 12,
            "image": "full",
        },
        "optimiser": {"learning_rate": 2e-3, "warmup_epochs": 0.5},
        "loss": {"positives": "same"},
        "data": {"same": "label"},
        "compute": {"threads": 1},
    }
    if "folder" in changes.get("towers", {}):
        del values["towers"]
    for name, value in changes.items():
        values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
    return values


def recipe(folder: Path, **changes: Any) -> PairRecipe:
    return settings_of(settings(folder, **changes), PairRecipe, "test")


def quiet_torch() -> None:
    torch.set_num_threads(1)
