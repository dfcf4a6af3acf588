"""How a report was computed, in words made from what was run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

LIBRARIES = ("numpy", "scipy", "statsmodels", "irrCAC", "krippendorff")
NOTICE = "For research and teaching. Not a medical device."


def facts_of(report: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Name and text of each thing a reader of the report must know to repeat it."""
    study, model = report["study"], report["model_identity"] or {}
    described = {
        "study": study.get("title") or study.get("name"),
        "protocol": study.get("protocol_version"),
        "design": study.get("design"),
        "label set": " version ".join(
            str(study[key]) for key in ("label_set", "label_set_version") if key in study
        ),
        "scoring": f"rule {study.get('rule', 'same')!r}, truths {study.get('truths', 'any')!r}",
        "model": model and f"{model.get('id')}, weights {model.get('weights_sha256', '?')}",
        "statistics": report["methods"],
        "bootstrap": f"{report['resamples']:,} draws, seed {report['seed']}",
        "software": ", ".join(f"{name} {found}" for name in LIBRARIES if (found := _version(name))),
    }
    return tuple((key, str(value)) for key, value in described.items() if value)


def _version(name: str) -> str:
    try:
        return version(name)
    except ImportError:
        return ""
