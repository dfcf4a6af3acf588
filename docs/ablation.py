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
from retizero.training.config import ConfigError, LossWeights, PretrainConfig
from retizero.training.diverged import DivergedError
from retizero.training.labels import LabelMismatch
from retizero.training.loop import train
from retizero.training.pretrain import prepare
from retizero.training.strict_settings import StrictSettings

HERE = Path(__file__).parent
RESULTS = HERE.parent / "build/ablation"
RECIPE = PretrainConfig(
    id="ablation",
    title="ablation",
    out=str(RESULTS / "model"),
    size=192,
    frozen_stages=7,
    views=1,
    epochs=3,
    learning_rate=1e-3,
    frequent_pieces=1500,
)
S = TypeVar("S", bound=StrictSettings)


def replace(settings: S, **changes: Any) -> S:  # noqa: ANN401 - settings of any type
    """Return settings with some of them changed, checked anew."""
    return type(settings).model_validate({**dict(settings), **changes})


PAIRS = LossWeights(clip=1.0, prototype=0.0, text=0.0)
CLIP_ALONE = replace(PAIRS, identical=False)
VARIANTS: dict[str, PretrainConfig] = {
    "recipe: CLIP with identical labels as positives, label prototypes, catalogue term": RECIPE,
    "loss: CLIP alone, identical captions are negatives": replace(RECIPE, loss=CLIP_ALONE),
    "loss: CLIP with identical labels as positives": replace(RECIPE, loss=PAIRS),
    "loss: CLIP + evidential (the paper's)": replace(RECIPE, loss=replace(CLIP_ALONE, evidential=1.0)),
    "loss: CLIP with identical labels as positives + evidential": replace(
        RECIPE, loss=replace(PAIRS, evidential=1.0)
    ),
    "loss: SigLIP, identical labels are positives": replace(
        RECIPE, loss=replace(PAIRS, clip=0.0, siglip=1.0)
    ),
    "loss: label prototypes alone": replace(RECIPE, loss=LossWeights(clip=0.0, prototype=1.0, text=0.0)),
    "prompts: the template with the name": replace(RECIPE, prompt_style="template"),
    "prompts: the name alone": replace(RECIPE, prompt_style="name"),
    "photograph squashed to a square instead of cropped to its field": replace(RECIPE, crop="squash"),
    "resolution: 128 px": replace(RECIPE, size=128),
    "resolution: 256 px": replace(RECIPE, size=256),
    "sampling: sources drawn evenly (count ** -0.5)": replace(RECIPE, source_balance=0.5),
    "mixup 0.2": replace(RECIPE, mixup=0.2),
    "420 phantoms in training": replace(RECIPE, phantoms=420),
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
convolution, {RECIPE.epochs} epochs at {RECIPE.size} px without augmentation but mirroring. The shipped model
has two towers with three and six stages trained, with augmentation, for longer: its numbers are higher, and
differences may be other there. The scale of SigLIP's logits is learned, their bias stays at -10.

{markdown_table(Table("", header, tuple(rows), (1, 2, 3, 4)))}
"""


def scores(config: PretrainConfig, manifest: Manifest) -> dict[str, float]:
    """Validation scores of the best epoch of one run, computed now or before on the same photographs."""
    path = RESULTS / f"{_key(config, manifest)}.json"
    if not path.exists():
        RESULTS.mkdir(parents=True, exist_ok=True)
        run = prepare(config, manifest, RESULTS / "model.partial")
        history = train(run.learner, run.images, run.prompts, config, run.evaluate, _quiet)
        atomic_write_text(path, json.dumps(max(history, key=lambda row: row["score"])))
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _key(config: PretrainConfig, manifest: Manifest) -> str:
    """Identify a run by its settings and by the manifest's rows and the sizes of their files."""
    digest = hashlib.sha256(json.dumps(config.to_dict(), sort_keys=True).encode())
    for row in manifest.rows:
        told = (row.name, row.labels, row.group, row.source, row.split, row.image.stat().st_size)
        digest.update(json.dumps(told).encode())
    return digest.hexdigest()[:16]


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation as a cell."""
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def _quiet(_: str) -> None:
    """Say nothing: the runs are short."""


if __name__ == "__main__":
    raise SystemExit(main())
