"""``make ablation MANIFEST=...``: train variants of the embedded model, several seeds each; docs/ablation.md.

Every variant changes one thing of the recipe. Runs are short, most of the image tower is frozen and its
activations are cached, so that two CPU cores can make the table; results are kept in ``build/ablation/`` and
a stopped command goes on where it was.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, TypeVar

from retizero.data import ImageReadError, Manifest, ManifestError, read_manifest
from retizero.data.atomic_write import atomic_write_text
from retizero.evaluation.documents import markdown_table
from retizero.evaluation.tables import Table
from retizero.knowledge import label_set
from retizero.training.errors import ConfigError
from retizero.training.labelled.prepare import prepare, starting_point
from retizero.training.labelled.recipe import LabelledPicture, LabelRecipe, StagedOptimiser, StagedTowers
from retizero.training.labelled.run import learn
from retizero.training.labels import LabelMismatch
from retizero.training.places import work_folder
from retizero.training.running.diverged import DivergedError
from retizero.training.running.journal import Journal
from retizero.training.running.world import joined_world
from retizero.training.strict_settings import StrictSettings

HERE = Path(__file__).parent
RESULTS = HERE.parent / "build/ablation"
RECIPE = LabelRecipe(
    id="ablation",
    out=RESULTS / "model",
    checkpoints=RESULTS,
    epochs=3,
    picture=LabelledPicture(size=192, views=1),
    towers=StagedTowers(frozen_stages=7, frequent_pieces=1500),
    optimiser=StagedOptimiser(learning_rate=1e-3, warmup_epochs=0.24),
)
S = TypeVar("S", bound=StrictSettings)


def replace(settings: S, **changes: Any) -> S:  # noqa: ANN401 - settings of any type
    """Return settings with some of them changed, those of a part by a dictionary, checked anew."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    for name, change in changes.items():
        part = getattr(settings, name)
        given[name] = replace(part, **change) if isinstance(change, dict) else change
    return type(settings).model_validate(given)


PAIRS = {"clip": 1.0, "prototype": 0.0, "text": 0.0}
CLIP_ALONE = {**PAIRS, "identical": False}
VARIANTS: dict[str, LabelRecipe] = {
    "recipe: CLIP with identical labels as positives, label prototypes, catalogue term": RECIPE,
    "loss: CLIP alone, identical captions are negatives": replace(RECIPE, loss=CLIP_ALONE),
    "loss: CLIP with identical labels as positives": replace(RECIPE, loss=PAIRS),
    "loss: CLIP + evidential (the paper's)": replace(RECIPE, loss={**CLIP_ALONE, "evidential": 1.0}),
    "loss: CLIP with identical labels as positives + evidential": replace(
        RECIPE, loss={**PAIRS, "evidential": 1.0}
    ),
    "loss: SigLIP, identical labels are positives": replace(
        RECIPE, loss={**PAIRS, "clip": 0.0, "siglip": 1.0}
    ),
    "loss: label prototypes alone": replace(RECIPE, loss={"clip": 0.0, "prototype": 1.0, "text": 0.0}),
    "prompts: the template with the name": replace(RECIPE, data={"prompt_style": "template"}),
    "prompts: the name alone": replace(RECIPE, data={"prompt_style": "name"}),
    "photograph squashed to a square instead of cropped to its field": replace(
        RECIPE, picture={"crop": "squash"}
    ),
    "resolution: 128 px": replace(RECIPE, picture={"size": 128}),
    "resolution: 256 px": replace(RECIPE, picture={"size": 256}),
    "sampling: sources drawn evenly (count ** -0.5)": replace(RECIPE, data={"source_balance": 0.5}),
    "mixup 0.2": replace(RECIPE, picture={"mixup": 0.2}),
    "420 phantoms in training": replace(RECIPE, data={"phantoms": 420}),
}
MEASURES = ("top1", "top3", "top5", "balanced")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what is missing and write; 2 where the manifest or an option cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="with the splits train and val")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each variant, at least 1")
    asked = parser.parse_args(arguments)
    try:
        if asked.seeds < 1:
            raise ConfigError(f"--seeds is at least 1, not {asked.seeds}.")
        rows = measured(read_manifest(asked.manifest), asked.seeds)
    except (ManifestError, ImageReadError, LabelMismatch, ConfigError, DivergedError) as error:
        print(error, file=sys.stderr)
        return 2
    (HERE / "ablation.md").write_text(page(rows, asked.manifest.name, asked.seeds), encoding="utf-8")
    return 0


def measured(manifest: Manifest, seeds: int) -> list[tuple[str, ...]]:
    """Train every variant with every seed; a row of each.

    Raises:
        ManifestError: There is no row to train on or to validate on.
    """
    for split in ("train", "val"):
        manifest.where(split)
    rows = []
    for number, (name, config) in enumerate(VARIANTS.items(), start=1):
        print(f"{number}/{len(VARIANTS)} {name}", file=sys.stderr, flush=True)
        runs = [scores(replace(config, seed=seed), manifest) for seed in range(seeds)]
        rows.append((name, *(spread([run[measure] for run in runs]) for measure in MEASURES)))
    return rows


def page(rows: Sequence[tuple[str, ...]], manifest: str, seeds: int) -> str:
    """The page in Markdown; ``manifest`` is the file's name."""
    header = ("variant", "Top-1", "Top-3", "Top-5", "balanced accuracy")
    return f"""# Ablation

Written by `make ablation MANIFEST=.../{manifest}`, never by hand. Split val of that manifest,
42 candidate labels, text prompts alone; a photograph counts as right when its primary label is named. Mean
and standard deviation over {seeds} seeds of projections and sampling.

What these runs can say: how the parts compare while ImageNet's EfficientNet-Lite2 stays frozen up to its last
convolution, {RECIPE.epochs} epochs at {RECIPE.picture.size} px without augmentation but mirroring. The
shipped model has two towers with three and six stages trained, with augmentation, for longer: its numbers
are higher, and differences may be other there. The scale of SigLIP's logits is learned, their bias stays
at -10.

{markdown_table(Table("", header, tuple(rows), (1, 2, 3, 4)))}
"""


def scores(config: LabelRecipe, manifest: Manifest) -> dict[str, float]:
    """Validation scores of the best epoch of one run, computed now or before on the same photographs."""
    path = RESULTS / f"{_key(config, manifest)}.json"
    if not path.exists():
        RESULTS.mkdir(parents=True, exist_ok=True)
        history = trained(config, manifest)
        atomic_write_text(path, json.dumps(max(history, key=lambda row: row["score"])))
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return found


def trained(config: LabelRecipe, manifest: Manifest) -> list[dict[str, float]]:
    """Train without a word; return losses and scores of each epoch."""
    config.checkpoint.unlink(missing_ok=True)
    journal, labels = Journal(speaks=False), label_set(config.data.label_set)
    with joined_world(config.compute.device) as world, work_folder(config.out) as work:
        start = starting_point(config, labels, work)
        run = prepare(config, manifest, labels, start, world.device, journal.tell)
        history = learn(run, config, world, journal)
    config.checkpoint.unlink()
    return history


def _key(config: LabelRecipe, manifest: Manifest) -> str:
    """Identify a run by its settings and by the manifest's rows and the sizes of their files."""
    digest = hashlib.sha256(json.dumps(config.deciding(), sort_keys=True).encode())
    for row in manifest.rows:
        told = (row.name, row.labels, row.group, row.source, row.split, row.image.stat().st_size)
        digest.update(json.dumps(told).encode())
    return digest.hexdigest()[:16]


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation as a cell."""
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


if __name__ == "__main__":
    raise SystemExit(main())
