"""The one facade an application needs: classify, explain, embed, search."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import numpy as np
from numpy.typing import NDArray

from retizero.knowledge import LabelSet, Style, one_label, prompts
from retizero.knowledge.label_sets import FREE
from retizero.model.dual_encoder import DualEncoder
from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity
from retizero.model.registry import load_model
from retizero.model.zero_gpu import with_lent_gpu
from retizero.serving.answers import Classification, Gate, Prediction
from retizero.serving.batching import Batcher
from retizero.serving.confidence import (
    conformal_members,
    dirichlet_uncertainty,
    is_calibrated_for,
    softmax,
)
from retizero.serving.evidence import Evidence, Method, evidence_grid, method_for
from retizero.serving.familiarity import read_familiarity
from retizero.serving.gate import look_at
from retizero.serving.text_cache import TextCache
from retizero.serving.text_store import TextStore

if TYPE_CHECKING:
    from retizero.retrieval import Gallery, Neighbour

_CHUNK = 32  # photographs preprocessed at a time: bounds memory


class Engine:
    """Answers questions about photographs with one model. Thread-safe; concurrent requests share its passes.

    Args:
        model: The dual encoder that answers.
        prompts_file: SQLite file that keeps the embeddings of the catalogue's prompts from one start to the
            next; None keeps them in memory only.
    """

    def __init__(self, model: DualEncoder, prompts_file: Path | None = None) -> None:
        self.model = model
        self._prompts_file = prompts_file
        store = None
        if prompts_file is not None and (key := model.text_key):
            store = TextStore(prompts_file, key, model.identity.embed_dim)
        self._texts = TextCache(model, with_lent_gpu(model.encode_texts, model.device), store)
        self._encode = Batcher(with_lent_gpu(model.encode_images, model.device))
        self._evidence = with_lent_gpu(partial(evidence_grid, model), model.device)
        folder, sha256 = model.folder, model.identity.weights_sha256
        self._familiarity = read_familiarity(folder, sha256) if folder else None

    @classmethod
    def load(
        cls,
        model: str = "retizero-mini",
        device: str = "auto",
        prompts_file: Path | None = None,
        compiled: bool = False,
    ) -> Self:
        """Load a known model, or a model folder.

        Args:
            model: Id of the registry, path of a folder, or ``local-dir:PATH``.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            prompts_file: See the class.
            compiled: Compile the image tower for this machine first, which may take minutes.

        Raises:
            ModelError: The model is not known, not present, damaged, or cannot be compiled here.
        """
        return cls(load_model(model, device, compiled=compiled), prompts_file)

    @property
    def identity(self) -> ModelIdentity:
        """Who answers."""
        return self.model.identity

    def with_prompt_style(self, style: Style) -> Self:
        """Return an engine with the same weights that words its labels in another style (see ``prompts``).

        It makes no conformal sets: the model was calibrated with its own style.
        """
        model = copy(self.model)
        model.identity = replace(self.identity, prompt_style=style, conformal=None)
        return type(self)(model, self._prompts_file)

    def embed_image(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed photographs (H, W, 3) uint8 RGB: (N, D) float32, unit norm."""
        rows = []
        for start in range(0, len(images), _CHUNK):
            pixels = np.stack([self.model.preprocess(image) for image in images[start : start + _CHUNK]])
            rows.append(self._encode(pixels))
        return np.concatenate(rows) if rows else np.empty((0, self.identity.embed_dim), np.float32)

    def embed_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed prompts as they are: (N, D) float32, unit norm, from the cache where possible."""
        return self._texts.embed(texts)

    def label_embeddings(self, labels: LabelSet) -> NDArray[np.float32]:
        """Embed candidate labels: the normalised mean of each label's prompts, (K, D) float32, unit norm."""
        style = cast(Style, self.identity.prompt_style)
        spoken = [
            prompts(label, style, self.identity.template, name=name)
            for label, name in zip(labels.ids, labels.names, strict=True)
        ]
        # What a visitor typed is not written to disk.
        lasting = {
            prompt
            for label, each in zip(labels.ids, spoken, strict=True)
            if not label.startswith(FREE)
            for prompt in each
        }
        embedded = self._texts.embed([prompt for each in spoken for prompt in each], lasting)
        ends = np.cumsum([len(each) for each in spoken])
        means = np.stack([part.mean(axis=0) for part in np.split(embedded, ends[:-1])])
        return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), np.float32)

    def logits(self, image_embeddings: NDArray[np.float32], labels: LabelSet) -> NDArray[np.float64]:
        """Scaled cosine similarities (N, K), before the temperature.

        Raises:
            ModelError: No labels, or embeddings of another length.
        """
        if not labels.ids:
            raise ModelError("The list of candidate labels is empty.")
        if image_embeddings.ndim != 2 or image_embeddings.shape[1] != self.identity.embed_dim:
            raise ModelError(
                f"{self.identity.id} compares embeddings (N, {self.identity.embed_dim}), "
                f"not {image_embeddings.shape}."
            )
        cosines = image_embeddings.astype(np.float64) @ self.label_embeddings(labels).astype(np.float64).T
        return np.asarray(self.model.logit_scale * cosines)

    def similarity(self, image_embeddings: NDArray[np.float32], labels: LabelSet) -> NDArray[np.float64]:
        """Calibrated probabilities (N, K) over the candidate labels; rows sum to 1."""
        return softmax(self.logits(image_embeddings, labels), self.identity.temperature)

    def conformal_sets(
        self, probabilities: NDArray[np.float64], labels: LabelSet
    ) -> tuple[tuple[tuple[str, ...], ...], float | None]:
        """Conformal sets of rows of ``similarity``, and the coverage they promise.

        Returns:
            One tuple of ids per row, most probable first, and the coverage; empty tuples and None when the
            model was not calibrated for exactly these candidates.
        """
        conformal = self.identity.conformal
        if conformal is None or not is_calibrated_for(conformal, labels.ids):
            return tuple(() for _ in probabilities), None
        members = conformal_members(probabilities, float(conformal["threshold"]))
        return tuple(tuple(labels.ids[column] for column in row) for row in members), float(
            conformal["coverage"]
        )

    def classify(self, image: NDArray[np.uint8], labels: LabelSet, top_k: int = 5) -> Classification:
        """Rank candidate labels for one photograph.

        Args:
            image: (H, W, 3) uint8 RGB from ``retizero.data.read_image``.
            labels: Candidates.
            top_k: How many predictions to return.

        Returns:
            The answer; without predictions where the gate says that this is no fundus photograph.

        Raises:
            ModelError: No labels, or ``top_k`` below 1.
        """
        if top_k < 1:
            raise ModelError("top_k must be at least 1.")
        if not labels.ids:
            raise ModelError("The list of candidate labels is empty.")
        gate, embedding = self.examine(image)
        if embedding is None:
            return Classification(gate, (), (), None, None, self.identity)
        return self._answer(gate, embedding, labels, top_k)

    def examine(self, image: NDArray[np.uint8]) -> tuple[Gate, NDArray[np.float32] | None]:
        """Judge a photograph and embed it, (1, D); no embedding where the gate refuses it."""
        look = look_at(image)
        known = self._familiarity
        limit = known.limit if known else 1.0
        if not look.oddness <= limit:
            return look.gate(limit=limit), None
        embedding = self.embed_image([image])
        gate = look.gate(float(known.distances(embedding)[0]) if known else 0.0, limit)
        return gate, embedding if gate.is_fundus else None

    def _answer(
        self, gate: Gate, embedding: NDArray[np.float32], labels: LabelSet, top_k: int
    ) -> Classification:
        logits = self.logits(embedding, labels)
        probabilities = softmax(logits, self.identity.temperature)
        sets, coverage = self.conformal_sets(probabilities, labels)
        order = np.argsort(-probabilities[0], kind="stable")[:top_k]
        return Classification(
            gate=gate,
            predictions=tuple(
                Prediction(labels.ids[column], labels.names[column], float(probabilities[0, column]))
                for column in order
            ),
            conformal_set=sets[0],
            coverage=coverage,
            uncertainty=float(dirichlet_uncertainty(logits)[0]),
            model=self.identity,
        )

    def explain(
        self,
        image: NDArray[np.uint8],
        label: str | None = None,
        *,
        prompt: str | None = None,
        among: LabelSet | None = None,
        method: Method = "auto",
    ) -> Evidence:
        """Map what in a photograph speaks for a diagnosis, or for any text, whatever the gate says.

        Args:
            image: (H, W, 3) uint8 RGB from ``retizero.data.read_image``.
            label: A diagnosis (catalogue id, name, synonym) or free words, asked with the model's prompts.
            prompt: Instead of a label, a text that is asked as it is.
            among: Candidates the diagnosis is told apart from; without, only its likeness counts.
            method: ``relevance`` or ``rollout`` for transformers (rollout does not depend on the text),
                ``cam`` for convolutional towers; ``auto`` takes relevance or cam.

        Returns:
            The map, aligned to the photograph; ``Evidence.png(image)`` draws it.

        Raises:
            ModelError: Neither or both of label and prompt, or a method that does not suit the image tower.
            LabelError: The label is empty, too long, or several.
        """
        if (label is None) == (prompt is None) or not (label or prompt or "").strip():
            raise ModelError("An evidence map needs one diagnosis or one prompt.")
        chosen = method_for(self.model, method)
        asked = None if label is None else one_label(label)
        text = self.label_embeddings(asked)[0] if asked else self.embed_text([cast(str, prompt)])[0]
        pixels = self.model.preprocess(image)
        grid = self.evidence(pixels, text, among, chosen)
        return Evidence(
            map=self.model.preprocess.lay_over(grid, image),
            id=asked.ids[0] if asked else "",
            label=asked.names[0] if asked else cast(str, prompt),
            method=chosen,
            grid=len(grid),
            similarity=float(self._encode(pixels[None])[0] @ text),
            model=self.identity,
        )

    def evidence(
        self,
        pixels: NDArray[np.float32],
        text: NDArray[np.float32],
        among: LabelSet | None = None,
        method: Method = "auto",
    ) -> NDArray[np.float32]:
        """The grid behind ``explain``: pixels (3, S, S) and a text embedding (D,) to (G, G) in 0..1."""
        direction = text if among is None else text - self.label_embeddings(among).mean(axis=0)
        return self._evidence(pixels, direction, method_for(self.model, method))

    def search(self, image: NDArray[np.uint8], gallery: Gallery, top_k: int = 5) -> tuple[Neighbour, ...]:
        """Nearest photographs of a gallery that this model embedded, whatever the gate says.

        Raises:
            GalleryError: Another model made the gallery.
        """
        return self.nearest(self.embed_image([image]), gallery, top_k)

    def nearest(
        self, embedding: NDArray[np.float32], gallery: Gallery, top_k: int = 5
    ) -> tuple[Neighbour, ...]:
        """Nearest photographs to an embedding (1, D), as ``search`` gives them."""
        gallery.require(self.identity.to_dict())
        return tuple(gallery.search(embedding, top_k)[0])
