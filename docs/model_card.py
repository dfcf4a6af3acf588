"""``make card MANIFEST=...``: measure the embedded model and write its model card.

The words stand in ``docs/model-card.template.md``; every table of the card comes from here. Photographs are
embedded once and kept in ``build/card/``; other weights embed again.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from docs.calibration_plot import calibration_plot
from retizero.data import Manifest, ManifestError, read_manifest
from retizero.evaluation import evaluate_explanations, evaluate_retrieval, evaluate_zero_shot
from retizero.evaluation.documents import markdown_table
from retizero.evaluation.tables import (
    Table,
    headline,
    interval,
    label_name,
    number,
    report_words,
    tables_of,
)
from retizero.knowledge import STYLES, Style, parse_labels
from retizero.model.errors import ModelError
from retizero.serving import Engine
from retizero.training.gate.rates import gate_rates

HERE = Path(__file__).parent
KEPT = HERE.parent / "build/card"
SPLITS = ("train", "val", "test")
FEWEST, SUREST = 4, 12  # photographs of a label that is spoken of, and of confident mistakes
Pixels = npt.NDArray[np.uint8]


class RememberingEngine(Engine):
    """An engine that embeds a photograph once and finds the embedding again, in this run and later ones."""

    def remember(self, kept: dict[str, npt.NDArray[np.float32]]) -> "RememberingEngine":
        """Use embeddings kept by the SHA-256 of a photograph's pixels, and add to them."""
        self.kept = kept
        return self

    def embed_image(self, images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        """Embed what is not kept yet."""
        keys = [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
        new = [index for index, key in enumerate(keys) if key not in self.kept]
        if new:
            embedded = super().embed_image([images[index] for index in new])
            self.kept.update({keys[index]: row for index, row in zip(new, embedded, strict=True)})
        return np.stack([self.kept[key] for key in keys])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="with the splits train, val and test")
    parser.add_argument("--model", default="models/retizero-mini", help="folder of the model")
    asked = parser.parse_args(arguments)
    folder = Path(asked.model)
    try:
        manifest = read_manifest(asked.manifest)
        for split in SPLITS:
            manifest.where(split)
        engine = RememberingEngine.load(str(folder))
    except (ManifestError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    assert isinstance(engine, RememberingEngine)
    path = KEPT / f"{engine.identity.fingerprint.replace(':', '-')}.npz"
    kept = dict(np.load(path)) if path.exists() else {}
    engine.remember(kept)
    try:
        parts = {
            **zero_shot(engine, manifest),
            **retrieval(engine, manifest),
            "data": data_table(manifest),
            "gate": gate_table(asked.manifest, str(folder)),
            "evidence": evidence_table(folder, manifest),
            "facts": facts(engine, folder),
        }
    finally:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **kept)
    card = (HERE / "model-card.template.md").read_text(encoding="utf-8")
    for name, text in parts.items():
        card = card.replace(f"{{{{{name}}}}}", text)
    (folder / "README.md").write_text(card, encoding="utf-8")
    bins = json.loads((KEPT / "zero-shot-test.json").read_text(encoding="utf-8"))["reliability"]
    (folder / "calibration.svg").write_text(calibration_plot(bins), encoding="utf-8")
    return 0


def zero_shot(engine: RememberingEngine, manifest: Manifest) -> dict[str, str]:
    """Tables of the test split, and of wordings on the validation split."""
    labels, words = parse_labels("fundus42"), report_words()
    test = manifest.where("test")
    report = evaluate_zero_shot(engine, test, labels)
    (KEPT / "zero-shot-test.json").parent.mkdir(parents=True, exist_ok=True)
    (KEPT / "zero-shot-test.json").write_text(json.dumps(report), encoding="utf-8")
    tables = tables_of(report, words)
    styles = [styled_row(engine, cast(Style, style), manifest.where("val")) for style in STYLES]
    header = ("prompts", "Top-1", "Top-3", "Top-5", "balanced accuracy")
    return {
        "test": markdown_table(headline(report, words)),
        "per_label": markdown_table(tables[1]),
        "per_source": markdown_table(tables[2]),
        "look_alikes": markdown_table(tables[3]),
        "prompts": markdown_table(Table("", header, tuple(styles), (1, 2, 3, 4))),
        "reliability": reliability_table(report),
        "missed": missed_table(report),
        "sure": sure_table(report),
    }


def styled_row(engine: RememberingEngine, style: Style, validation: Manifest) -> tuple[str, ...]:
    """Accuracy with one wording of the labels."""
    worded = engine.with_prompt_style(style)
    assert isinstance(worded, RememberingEngine)
    report = evaluate_zero_shot(worded.remember(engine.kept), validation, parse_labels("fundus42"))
    measures = [report["top_k"][k] for k in ("1", "3", "5")] + [report["balanced_accuracy"]]
    return style, *(f"{number(each['value'])} [{interval(each['ci'])}]" for each in measures)


def reliability_table(report: dict[str, Any]) -> str:
    """How often the first answer is right, by its probability: the calibration plot as a table."""
    rows = [
        (
            f"{each['low']:.2f} to {each['high']:.2f}",
            str(each["n"]),
            number(each["confidence"]),
            number(each["accuracy"]),
        )
        for each in report["reliability"]
        if each["n"]
    ]
    header = ("probability of the first answer", "images", "mean probability", "right")
    return markdown_table(Table("", header, tuple(rows), (1, 2, 3)))


def missed_table(report: dict[str, Any]) -> str:
    """Labels that are most often not among the first five answers, and what is answered instead."""
    rows = []
    for each in report["per_label"]:
        if each["n"] < FEWEST or each["top5"] > 0.9:
            continue
        instead = Counter(
            first_answer(report, image) for image in report["images"] if each["id"] in image["truth"]
        )
        del instead[each["id"]]
        told = "; ".join(f"{label_name(id)} ({times})" for id, times in instead.most_common(3))
        rows.append((each["top5"], (each["label"], str(each["n"]), number(each["top5"]), told or "-")))
    header = ("label", "images", "Top-5", "most often answered first instead")
    return markdown_table(Table("", header, tuple(row for _, row in sorted(rows)), (1, 2)))


def sure_table(report: dict[str, Any]) -> str:
    """Wrong first answers with the greatest probabilities, each a photograph of the test split."""
    ids = report["protocol"]["candidates"]
    wrong = []
    for image in report["images"]:
        scores = dict(zip(ids, image["scores"], strict=True))
        answer = first_answer(report, image)
        if answer in image["truth"]:
            continue
        rank = 1 + min(sum(score > scores[id] for score in scores.values()) for id in image["truth"])
        truth = "; ".join(label_name(id) for id in image["truth"])
        wrong.append(
            (scores[answer], (truth, label_name(answer), number(scores[answer]), str(rank), image["source"]))
        )
    header = ("truth", "answered", "its probability", "rank of the truth", "source")
    return markdown_table(
        Table("", header, tuple(row for _, row in sorted(wrong, reverse=True)[:SUREST]), (2, 3))
    )


def first_answer(report: dict[str, Any], image: dict[str, Any]) -> str:
    """Id of an image's most probable candidate."""
    return str(report["protocol"]["candidates"][int(np.argmax(image["scores"]))])


def retrieval(engine: RememberingEngine, manifest: Manifest) -> dict[str, str]:
    """Test photographs ask train and validation photographs."""
    rows = manifest.where("train").rows + manifest.where("val").rows
    gallery = Manifest(manifest.path, rows, manifest.problems)
    report = evaluate_retrieval(engine, gallery, manifest.where("test"))
    return {"retrieval": markdown_table(headline(report, report_words()))}


def data_table(manifest: Manifest) -> str:
    """Photographs of each source in the splits."""
    sources = sorted({row.source for row in manifest.rows})
    counts = [
        (source, *(str(sum(r.source == source and r.split == s for r in manifest.rows)) for s in SPLITS))
        for source in sources
    ]
    return markdown_table(Table("", ("source", *SPLITS), tuple(counts), (1, 2, 3)))


def gate_table(manifest: Path, model: str) -> str:
    """What the gate refuses."""
    rates = gate_rates(manifest, "test", model)
    rows = [(kind, str(int(each["n"])), f"{each['refused']:.1%}") for kind, each in rates.items()]
    return markdown_table(Table("", ("pictures", "n", "refused"), tuple(rows), (1, 2)))


def evidence_table(folder: Path, manifest: Manifest) -> str:
    """Evidence maps of a sample of test photographs against maps that know nothing."""
    engine = Engine.load(str(folder))  # one that remembers nothing: every step of a curve is a new picture
    report = evaluate_explanations(engine, manifest.where("test"), parse_labels("fundus42"))
    return markdown_table(headline(report, report_words()))


def facts(engine: Engine, folder: Path) -> str:
    """Size, identity and calibration in a list."""
    identity = engine.identity
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    conformal = identity.conformal or {}
    mirror = ", embedded together with its mirror image" if identity.mirror else ""
    return "\n".join(
        (
            f"- weights: SHA-256 `{identity.weights_sha256}`, {size:.1f} MB in the folder",
            f"- a photograph is read at {identity.preprocess['size']} px, "
            f"cropped to its field of view{mirror}",
            f"- temperature {identity.temperature:.3f}; conformal sets: coverage "
            f"{conformal.get('coverage')}, fitted on {conformal.get('n')} photographs of split val",
        )
    )


if __name__ == "__main__":
    raise SystemExit(main())
