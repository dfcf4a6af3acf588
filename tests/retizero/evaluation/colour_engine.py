"""An engine whose answers a test can paint."""

from types import SimpleNamespace

import numpy as np
from PIL import Image

from retizero.data import read_manifest


class ColourEngine:
    """Embeds a picture as its mean colour: red is the first candidate, green the second, blue the third."""

    identity = SimpleNamespace(to_dict=lambda: {"id": "colour"})

    def __init__(self, calibrated=False):
        self.calibrated = calibrated

    def embed_image(self, images):
        means = np.array([image.reshape(-1, 3).mean(axis=0) for image in images], np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def similarity(self, embeddings, labels):
        scores = np.zeros((len(embeddings), len(labels.ids)))
        scores[:, :3] = embeddings[:, : len(labels.ids)]
        return scores / scores.sum(axis=1, keepdims=True)

    def logits(self, embeddings, labels):
        return np.log(self.similarity(embeddings, labels) + 1e-9)

    def conformal_sets(self, probabilities, labels):
        if not self.calibrated:
            return tuple(() for _ in probabilities), None
        return tuple((labels.ids[row.argmax()],) for row in probabilities), 0.9


def paint(folder, lines, name="manifest.csv", header="image,label,group,source"):
    """Write a manifest and its pictures from lines such as ``a.png,glaucoma,p1,s|200 30 10``."""
    for line in lines:
        file, colour = line.split(",")[0], line.rsplit("|", 1)[1]
        Image.new("RGB", (64, 64), tuple(int(part) for part in colour.split())).save(folder / file)
    (folder / name).write_text("\n".join([header, *(line.rsplit("|", 1)[0] for line in lines)]))
    return read_manifest(folder / name)
