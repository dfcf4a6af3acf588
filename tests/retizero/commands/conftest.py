"""An engine that knows three colours, photographs of them, and a way to run a command with both."""

import csv
import json
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image

from retizero.cli import main

LABELS = ("glaucoma", "macular hole", "central retinal vein occlusion")


@dataclass(frozen=True)
class FakeIdentity:
    id: str = "fake"
    embed_dim: int = 3
    template: str = "A fundus photograph of {label}"
    weights_sha256: str = "00" * 32
    fingerprint: str = field(default="ff" * 32)

    def to_dict(self):
        return {"id": self.id, "embed_dim": self.embed_dim, "weights_sha256": self.weights_sha256}


class FakeAnswer:
    def __init__(self, predictions, identity):
        self.predictions, self.identity = predictions, identity

    def to_json(self):
        return {
            "gate": {"is_fundus": True, "quality": 0.5, "reason": "ok"},
            "predictions": self.predictions,
            "conformal_set": [],
            "coverage": None,
            "uncertainty": 0.5,
            "model": self.identity.to_dict(),
        }


class FakeEngine:
    """Embeds a picture as its mean colour: red is the first label, green the second, blue the third."""

    def __init__(self, identity=None):
        self.identity = identity or FakeIdentity()

    def embed_image(self, images):
        print("a library that prints to stdout")
        means = np.array([image.reshape(-1, 3).mean(axis=0) for image in images], np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def embed_text(self, texts):
        colours = {"Glaucoma": 0, "Macular hole": 1, "Central retinal vein occlusion": 2}
        return np.eye(3, dtype=np.float32)[
            [next((i for name, i in colours.items() if name.lower() in text.lower()), 0) for text in texts]
        ]

    def similarity(self, embeddings, labels):
        order = [next(i for i, name in enumerate(LABELS) if name in label.lower()) for label in labels.names]
        scores = embeddings[:, order].astype(float) + 1e-6
        return scores / scores.sum(axis=1, keepdims=True)

    def logits(self, embeddings, labels):
        return np.log(self.similarity(embeddings, labels))

    def conformal_sets(self, probabilities, labels):
        return tuple(() for _ in probabilities), None

    def classify(self, image, labels, top_k=5):
        predictions = [
            {"id": id, "label": name, "probability": 1 / len(labels.ids)}
            for id, name in zip(labels.ids, labels.names, strict=True)
        ][:top_k]
        return FakeAnswer(predictions, self.identity)


@pytest.fixture
def photographs(tmp_path):
    """Nine pictures of three diseases and a manifest."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(9):
        label = number % 3
        colour = np.full(3, 20)
        colour[label] = 180
        pixels = np.clip(random.normal(colour, 8, (64, 64, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        rows.append((f"{number}.png", LABELS[label], f"p{number}", "test" if number > 2 else "train"))
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "label", "group", "split"), *rows])
    return tmp_path


@pytest.fixture
def run(capsys):
    """Run a command with the fake engine: status, stdout, stderr."""

    def run(*arguments, identity=None):
        status = main(
            [str(part) for part in arguments], load_engine=lambda model, device: FakeEngine(identity)
        )
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return status, captured.out, captured.err

    return run


@pytest.fixture
def ask(run):
    """Run a command that must succeed with --json, and return the document."""

    def ask(*arguments):
        status, out, err = run(*arguments, "--json")
        assert status == 0, err
        return json.loads(out)

    return ask
