"""A trained classifier that answers as the engine does: gate, probabilities, conformal sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from retizero.data import Preprocess
from retizero.knowledge import LabelSet
from retizero.model.device import choose_device
from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity
from retizero.model.image_classifier import is_classifier_folder, logits_of, read_classifier
from retizero.model.image_towers import load_image_tower
from retizero.serving.answers import Classification, Gate, Prediction
from retizero.serving.confidence import conformal_members, dirichlet_uncertainty, is_calibrated_for, softmax
from retizero.serving.engine import Engine
from retizero.serving.gate import look_at
from retizero.serving.linear_head import read_head
from retizero.serving.tower_encoder import TowerEncoder

Images = Sequence[NDArray[np.uint8]]
_CHUNK = 32  # photographs prepared at a time: bounds memory


class Classifier:
    """Answers with the classes it was trained on.

    What it calls embeddings are its logits: each photograph is computed once, and any part of the classes can
    be asked for afterwards.

    Args:
        labels: The classes.
        identity: Who answers; temperature and conformal threshold belong to exactly these classes.
        compute: From photographs to logits (N, K).
        judge: The gate.
    """

    def __init__(
        self,
        labels: LabelSet,
        identity: ModelIdentity,
        compute: Callable[[Images], NDArray[np.float32]],
        judge: Callable[[NDArray[np.uint8]], Gate],
    ) -> None:
        self.labels, self.identity = labels, identity
        self._compute, self._judge = compute, judge
        self._column = {id: column for column, id in enumerate(labels.ids)}

    @classmethod
    def load(cls, path: str | Path, device: str = "auto", model: str | None = None) -> Classifier:
        """Load a folder of ``retizero train finetune``, or a file of ``train probe`` or of the app.

        Args:
            path: Folder or file.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            model: Id or folder of the model that a file's classifier reads; by the id in the file when None.

        Raises:
            ModelError: It is neither, is damaged, or its model is not here.
        """
        path = Path(path)
        if path.is_dir() and is_classifier_folder(path):
            return _from_folder(path, device)
        if path.is_file():
            return _from_head(path, device, model)
        raise ModelError(f"{path} is neither a classifier folder nor a classifier file.")

    def embed_image(self, images: Images) -> NDArray[np.float32]:
        """(H, W, 3) uint8 RGB photographs to logits (N, K)."""
        parts = [self._compute(images[start : start + _CHUNK]) for start in range(0, len(images), _CHUNK)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.labels)), np.float32)

    def logits(self, image_embeddings: NDArray[np.float32], labels: LabelSet) -> NDArray[np.float64]:
        """Logits of some of the classes, (N, len(labels)).

        Raises:
            ModelError: A label is no class of the classifier.
        """
        named = zip(labels.ids, labels.names, strict=True)
        if missing := [name for id, name in named if id not in self._column]:
            raise ModelError(
                f"{self.identity.id} was not trained on {missing[0]!r}; it tells apart "
                f"{len(self.labels)} classes: {', '.join(self.labels.names[:8])}, ..."
            )
        columns = [self._column[id] for id in labels.ids]
        return np.asarray(image_embeddings.astype(np.float64)[:, columns])

    def similarity(self, image_embeddings: NDArray[np.float32], labels: LabelSet) -> NDArray[np.float64]:
        """Calibrated probabilities (N, len(labels)); rows sum to 1."""
        return softmax(self.logits(image_embeddings, labels), self.identity.temperature)

    def conformal_sets(
        self, probabilities: NDArray[np.float64], labels: LabelSet
    ) -> tuple[tuple[tuple[str, ...], ...], float | None]:
        """Conformal set of ids of each row and the coverage they promise; see ``Engine.conformal_sets``."""
        conformal = self.identity.conformal
        if conformal is None or not is_calibrated_for(conformal, labels.ids):
            return tuple(() for _ in probabilities), None
        members = conformal_members(probabilities, float(conformal["threshold"]))
        sets = tuple(tuple(labels.ids[column] for column in row) for row in members)
        return sets, float(conformal["coverage"])

    def classify(
        self, image: NDArray[np.uint8], labels: LabelSet | None = None, top_k: int = 5
    ) -> Classification:
        """Rank classes for one photograph, as ``Engine.classify`` does; all classes without labels."""
        among = labels or self.labels
        gate = self._judge(image)
        if not gate.is_fundus:
            return Classification(gate, (), (), None, None, self.identity)
        logits = self.logits(self.embed_image([image]), among)
        probabilities = softmax(logits, self.identity.temperature)
        sets, coverage = self.conformal_sets(probabilities, among)
        order = np.argsort(-probabilities[0], kind="stable")[:top_k]
        return Classification(
            gate=gate,
            predictions=tuple(
                Prediction(among.ids[column], among.names[column], float(probabilities[0, column]))
                for column in order
            ),
            conformal_set=sets[0],
            coverage=coverage,
            uncertainty=float(dirichlet_uncertainty(logits)[0]),
            model=self.identity,
        )


def _from_folder(folder: Path, device: str) -> Classifier:
    loaded = read_classifier(folder)
    network = loaded.network.to(choose_device(device)).to(memory_format=torch.channels_last)
    preprocess = Preprocess.from_dict(loaded.identity.preprocess)

    def compute(images: Images) -> NDArray[np.float32]:
        pixels = torch.from_numpy(np.stack([preprocess(image) for image in images]))
        return np.asarray(logits_of(network, pixels, loaded.identity.mirror).numpy(), np.float32)

    labels = _labels(loaded.identity.id, loaded.classes.ids, loaded.classes.names)
    return Classifier(labels, loaded.identity, compute, lambda image: look_at(image).gate())


def _from_head(path: Path, device: str, model: str | None) -> Classifier:
    stored = read_head(path)
    under = model or stored.model.id
    labels = _labels(path.stem, stored.head.ids, stored.head.names)
    if stored.features == "embedding":
        engine = Engine.load(under, device)
        stored.require(engine.identity)
        embed, judge = engine.embed_image, lambda image: engine.examine(image)[0]
    else:
        tower = load_image_tower(under, int(stored.model.preprocess["size"]))
        stored.require(tower.identity)
        embed, judge = TowerEncoder(tower).embed_image, lambda image: look_at(image).gate()
    identity = stored.as_identity(path)
    return Classifier(
        labels, identity, lambda images: stored.head.logits(embed(images)).astype(np.float32), judge
    )


def _labels(name: str, ids: tuple[str, ...], names: tuple[str, ...]) -> LabelSet:
    return LabelSet(name, "1", f"Classes of {name}", f"{name} 的类别", ids, names)
