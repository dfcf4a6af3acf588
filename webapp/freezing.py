"""The model's answers to a study's cases, computed and frozen when it opens, in the background."""

import logging
import threading
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from reader_study import states
from reader_study.errors import StudyError
from reader_study.photographs import photographs_of
from reader_study.states import CaseEvidence, FrozenReference
from retizero.data import ImageReadError, read_image
from retizero.knowledge import KnowledgeError, LabelSet, label_set, load_catalogue
from retizero.model.errors import ModelError
from webapp.photographs import cropped
from webapp.png import map_png, to_png
from webapp.rooms import Rooms

LOG = logging.getLogger(__name__)
RANKS = 10  # frozen a case
MAPS = 3  # ranks with an evidence map
REFERENCES = 3  # nearest cases with known diagnosis
SAME_PHOTOGRAPH = 0.995  # cosine from which on a gallery case is taken for the case itself
THUMBNAIL = 512  # pixels a side of maps and reference images


@dataclass
class Opening:
    """How far the opening of a study is; ``problem`` is what the page puts into its language."""

    done: int = 0
    total: int = 0
    problem: Exception | None = None
    finished: bool = False


class Openings:
    """Opens studies in the background, one thread a study.

    Args:
        rooms: model, gallery, database and photographs.
    """

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self._running: dict[str, Opening] = {}
        self._lock = threading.Lock()

    def of(self, study: str) -> Opening | None:
        """How far a study's opening is; ``None`` where nobody started one since the server did."""
        return self._running.get(study)

    def start(self, study: str, label_set_name: str, *, aided: bool, actor_id: str) -> None:
        """Compute and freeze the model's answers, then open the study; does nothing while that runs."""
        with self._lock:
            before = self._running.get(study)
            if before is not None and not before.finished:
                return
            opening = self._running[study] = Opening()

        def run() -> None:
            try:
                freeze(self.rooms, study, label_set_name, aided=aided, actor_id=actor_id, tell=opening)
                states.open_study(self.rooms.database, study, actor_id=actor_id)
                self.rooms.photographs.prepare(photographs_of(self.rooms.database, study))
                self.rooms.blinding.learn()
            except (StudyError, KnowledgeError, ImageReadError, OSError) as error:
                opening.problem = error
            except Exception:
                LOG.exception("opening the study %r", study)
                opening.problem = StudyError("The study could not be opened; the server's log says why.")
            finally:
                opening.finished = True

        threading.Thread(target=run, daemon=True, name=f"opening {study}").start()


def freeze(
    rooms: Rooms, study: str, label_set_name: str, *, aided: bool, actor_id: str, tell: Opening
) -> None:
    """Store the model's ranked answers to all cases of a draft, with evidence where an arm is aided.

    Raises:
        StudyError: the study takes no predictions.
        ImageReadError: a photograph cannot be read.
    """
    labels = label_set(label_set_name)
    photographs = photographs_of(rooms.database, study)
    tell.total = len(photographs)
    side = max((cropped(read_image(p.path)).shape[0] for p in photographs), default=1) if aided else 1
    predictions, evidence = {}, {}
    for photograph in photographs:
        square = cropped(read_image(photograph.path))
        embedding = rooms.engine.embed_image([read_image(photograph.path)])
        probabilities = rooms.engine.similarity(embedding, labels)[0]
        best = [int(i) for i in np.argsort(-probabilities, kind="stable")[:RANKS]]
        predictions[photograph.case] = [(labels.ids[i], float(probabilities[i])) for i in best]
        if aided:
            share = square.shape[0] / side
            named = [labels.names[i] for i in best[:MAPS]]
            evidence[photograph.case] = CaseEvidence(
                maps=_maps(rooms, square, named, labels, share), references=_near(rooms, embedding[0])
            )
        tell.done += 1
    identity = rooms.engine.identity.to_dict()
    states.freeze_predictions(
        rooms.database, study, predictions, identity, evidence=evidence, actor_id=actor_id
    )


def _maps(
    rooms: Rooms, square: npt.NDArray[np.uint8], names: list[str], labels: LabelSet, share: float
) -> dict[int, bytes]:
    """An evidence map a rank, drawn where the photograph lies on the study's canvas, or none at all."""
    made = dict[int, bytes]()
    for rank, name in enumerate(names, 1):
        try:
            heat = rooms.engine.explain(square, name, among=labels).map
        except ModelError:
            return {}
        size = max(1, round(THUMBNAIL * share))
        canvas = np.zeros((THUMBNAIL, THUMBNAIL), np.float32)
        at = (THUMBNAIL - size) // 2
        canvas[at : at + size, at : at + size] = cv2.resize(heat, (size, size), interpolation=cv2.INTER_AREA)
        made[rank] = map_png(canvas)
    return made


def _near(rooms: Rooms, embedding: npt.NDArray[np.float32]) -> list[FrozenReference]:
    """The nearest cases of the gallery that are not the photograph itself."""
    catalogue = load_catalogue()
    found = rooms.engine.nearest(embedding, rooms.gallery.now(), REFERENCES * 3)
    kept = [n for n in found if n.similarity < SAME_PHOTOGRAPH][:REFERENCES]
    return [
        FrozenReference(
            n.id, catalogue.resolve(n.label).id or n.label, float(n.similarity), _thumbnail(rooms, n.image)
        )
        for n in kept
    ]


def _thumbnail(rooms: Rooms, image: str) -> bytes | None:
    try:
        square = cropped(read_image(rooms.gallery_folder / image))
    except (ImageReadError, OSError):
        return None
    return to_png(np.asarray(cv2.resize(square, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)))
