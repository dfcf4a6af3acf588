"""What the engine answers, in the words of the command contracts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from retizero.model.identity import ModelIdentity


@dataclass(frozen=True)
class Gate:
    """Whether there is anything to answer.

    Attributes:
        is_fundus: False for what is not a colour fundus photograph; no diagnosis is given then.
        quality: 0 (useless) to 1 (sharp, evenly lit).
        reason: ``ok``, ``not_fundus`` or ``poor_quality``.
    """

    is_fundus: bool
    quality: float
    reason: str


@dataclass(frozen=True)
class Prediction:
    """One candidate label with its calibrated probability within the candidate list."""

    id: str
    label: str
    probability: float


@dataclass(frozen=True)
class Classification:
    """The ranked answer for one photograph.

    Attributes:
        gate: What the gate says; ``predictions`` is empty where it says ``not_fundus``.
        predictions: Most probable first; probabilities sum to 1 over the whole candidate list, of which these
            are the first ``top_k``.
        conformal_set: Ids, most probable first, that contain the true label with probability ``coverage`` on
            photographs like those of the calibration; empty where the candidate list was not calibrated.
        coverage: What ``conformal_set`` promises, None where it is empty.
        uncertainty: Dirichlet uncertainty u = K / S in 0..1 over this candidate list, None if not answered.
        model: Who answered.
    """

    gate: Gate
    predictions: tuple[Prediction, ...]
    conformal_set: tuple[str, ...]
    coverage: float | None
    uncertainty: float | None
    model: ModelIdentity

    def to_json(self) -> dict[str, Any]:
        """Return the row of ``retizero classify --json``, without ``image``."""
        return {
            "gate": {
                "is_fundus": self.gate.is_fundus,
                "quality": round(self.gate.quality, 4),
                "reason": self.gate.reason,
            },
            "predictions": [
                {"id": each.id, "label": each.label, "probability": each.probability}
                for each in self.predictions
            ],
            "conformal_set": list(self.conformal_set),
            "coverage": self.coverage,
            "uncertainty": self.uncertainty,
            "model": {**self.model.to_dict(), "fingerprint": self.model.fingerprint},
        }
