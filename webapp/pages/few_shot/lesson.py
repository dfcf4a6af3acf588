"""What one visitor has taught: embeddings of labelled photographs and their thumbnails, within limits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retizero.knowledge import LabelSet, load_catalogue, parse_labels
from retizero.model import ModelIdentity
from retizero.serving import Engine
from retizero.serving.few_shot import left_out_answers, prototypes
from retizero.serving.linear_head import LinearHead, StoredHead

MAX_CLASSES, MAX_OF_ONE, MAX_EXAMPLES = 12, 20, 120
MAX_NAME = 100  # characters
METHOD = "ss-text"


class LessonError(ValueError):
    """Something cannot be taught; ``key`` names the sentence for the page, ``parts`` fill it."""

    def __init__(self, key: str, **parts: object) -> None:
        super().__init__(key)
        self.key, self.parts = key, parts


@dataclass(frozen=True)
class Example:
    """One labelled photograph, of which only this is kept.

    Attributes:
        id: Class, an id of the catalogue or ``free:<text>``.
        vector: (D,) float32, unit norm.
        thumbnail: JPEG of a few kilobytes.
        digest: Of the picture's content.
    """

    id: str
    vector: NDArray[np.float32]
    thumbnail: bytes
    digest: str


@dataclass(frozen=True)
class LeftOut:
    """Of ``n`` photographs so many are named right by the others' classifier, and by the names alone."""

    n: int
    right: int
    right_by_words: int


@dataclass(frozen=True)
class Lesson:
    """Labelled photographs and the classifier that follows from them.

    Attributes:
        names: Class id to name, in the order they were first taught.
        examples: In the order they were taught.
        model: Identity of the model that embedded them; None while there are none.
    """

    names: tuple[tuple[str, str], ...] = ()
    examples: tuple[Example, ...] = ()
    model: ModelIdentity | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """Class ids."""
        return tuple(id for id, _ in self.names)

    def counts(self) -> dict[str, int]:
        """Photographs of each class."""
        counted = Counter(example.id for example in self.examples)
        return {id: counted[id] for id in self.ids}

    def check_room(self, id: str, more: int) -> None:
        """Refuse what the limits do not allow.

        Raises:
            LessonError: Too many classes, or photographs of one class or in all.
        """
        counts = self.counts()
        there, all = counts.get(id, 0), len(self.examples)
        if id not in counts and len(counts) >= MAX_CLASSES:
            raise LessonError("few_shot.too_many_classes", most=MAX_CLASSES)
        if there + more > MAX_OF_ONE:
            raise LessonError("few_shot.too_many_of_one", most=MAX_OF_ONE, there=there, more=more)
        if all + more > MAX_EXAMPLES:
            raise LessonError("few_shot.too_many", most=MAX_EXAMPLES, there=all, more=more)

    def taught(self, name: str, examples: tuple[Example, ...], model: ModelIdentity) -> Lesson:
        """Return the lesson with more photographs of one class; one that is there already is left out.

        Raises:
            LessonError: The limits do not allow them, or another model made the embeddings kept so far.
        """
        if not examples:
            return self
        if self.model is not None and self.model.fingerprint != model.fingerprint:
            raise LessonError("few_shot.other_model", id=self.model.id)
        there = {example.digest for example in self.examples}
        examples = tuple(example for example in examples if example.digest not in there)
        if not examples:
            return self
        id = examples[0].id
        self.check_room(id, len(examples))
        names = self.names if id in self.ids else (*self.names, (id, name))
        return Lesson(names, (*self.examples, *examples), model)

    def without(self, id: str) -> Lesson:
        """Return the lesson without one class."""
        names = tuple(entry for entry in self.names if entry[0] != id)
        examples = tuple(example for example in self.examples if example.id != id)
        return replace(self, names=names, examples=examples, model=self.model if examples else None)

    def labels(self) -> LabelSet:
        """The classes as candidates."""
        ids, names = self.ids, tuple(name for _, name in self.names)
        return LabelSet("taught", "1", "Taught diagnoses", "已教授的诊断", ids, names)

    def head(self, engine: Engine, read_names: bool = True) -> LinearHead:
        """Make the classifier: closed form, all of it again at every change.

        Args:
            engine: The model that embedded the photographs.
            read_names: Whether the model's knowledge of the names counts beside the photographs.
        """
        vectors, classes = self._arrays()
        scale = engine.model.logit_scale / engine.identity.temperature
        found = prototypes(vectors, classes, self._texts(engine, read_names), len(self.names), scale)
        labels = self.labels()
        return LinearHead(labels.ids, labels.names, scale * found, np.zeros(len(found)))

    def left_out(self, engine: Engine, read_names: bool = True) -> LeftOut:
        """Name each photograph by the classifier made of all others.

        The only photograph of a class says nothing of that class and is not counted.
        """
        vectors, classes = self._arrays()
        scale = engine.model.logit_scale / engine.identity.temperature
        texts = self._texts(engine, read_names)
        counted = np.bincount(classes)[classes] > 1
        named = left_out_answers(vectors, classes, texts, len(self.names), scale)
        by_words = engine.logits(vectors, self.labels()).argmax(axis=1)
        return LeftOut(
            n=int(counted.sum()),
            right=int((named == classes)[counted].sum()),
            right_by_words=int((by_words == classes)[counted].sum()),
        )

    def stored(self, engine: Engine, read_names: bool = True) -> StoredHead:
        """The classifier as a file's content."""
        head = self.head(engine, read_names)
        method = METHOD if read_names else "simple-shot"
        counts = tuple(self.counts().values())
        return StoredHead(head, engine.identity, "embedding", method, 1.0, counts)

    def _arrays(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        place = {id: index for index, id in enumerate(self.ids)}
        vectors = np.stack([example.vector for example in self.examples])
        return vectors, np.array([place[example.id] for example in self.examples], np.int64)

    def _texts(self, engine: Engine, read_names: bool) -> NDArray[np.float32] | None:
        return engine.label_embeddings(self.labels()) if read_names else None


def class_of(typed: str) -> tuple[str, str]:
    """Return id and name of what a visitor chose or typed: an id, a name or synonym, or free text.

    An abbreviation counts in any case, also where it is a word ("car", "on"): here only diagnoses are typed.

    Raises:
        LessonError: Nothing, or more than a name.
    """
    text = " ".join(typed.split())
    if not text:
        raise LessonError("few_shot.name_first")
    if len(text) > MAX_NAME or any(mark in text for mark in ";；"):
        raise LessonError("few_shot.one_name", most=MAX_NAME)
    catalogue = load_catalogue()
    if text in catalogue:
        return text, catalogue[text].name
    found = catalogue.resolve(text).id or catalogue.resolve(text.upper()).id
    if found:
        return found, catalogue[found].name
    parsed = parse_labels(text + ";", catalogue)
    return parsed.ids[0], parsed.names[0]
