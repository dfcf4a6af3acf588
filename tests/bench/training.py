"""Image-text pretraining against open_clip's own trainer: the same model, photographs, captions and machine.

Theirs is ``open_clip_train.train.train_one_epoch`` with open_clip's train transform, ours the
loop behind ``retizero train pretrain``. Both read the photographs from JPEG files, augment them as they do by
default, make the same number of steps of the same size with AdamW, and write the checkpoint that either
writes after every epoch.
"""

from __future__ import annotations

import csv
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from retizero import phantom
from retizero.training.pairs.batches import Batch, PairExamples, collated
from retizero.training.pairs.captions import Wording
from retizero.training.pairs.loss import PairLoss
from retizero.training.pairs.manifest_pairs import pairs_of_manifest
from retizero.training.pairs.objective import PairObjective
from retizero.training.pairs.recipe import PairRecipe
from retizero.training.pairs.start import Start, starting_point
from retizero.training.running.journal import Journal
from retizero.training.running.loop import train
from retizero.training.running.order import Order, loaded
from retizero.training.running.state import RunState
from retizero.training.running.world import World
from retizero.training.strict_settings import settings_of
from tests.bench.rows import Row, machine

SIZE, BATCH, STEPS, ROUNDS = 224, 8, 24, 6
TEXT = Path("models/retizero-mini/text")


def against_open_clip() -> list[Row]:
    """Pairs per second of a small ViT + BERT, ours and open_clip's, rounds in turn, the best of each."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        manifest = _photographs(folder, BATCH * STEPS)
        theirs, ours = _open_clips(folder, manifest), _ours(folder, manifest)
        times: dict[str, list[float]] = {"theirs": [], "ours": []}
        for turn in range(ROUNDS + 1):
            for who, epoch in (("theirs", theirs), ("ours", ours)):
                began = time.perf_counter()
                epoch(turn)
                if turn:  # the first warms up
                    times[who].append(time.perf_counter() - began)
    rates = {who: BATCH * STEPS / min(seconds) for who, seconds in times.items()}
    ratio = rates["ours"] / rates["theirs"]
    return [
        Row(
            f"pretraining, small ViT + BERT, {SIZE} px, batch {BATCH}",
            rates["ours"],
            "/s",
            f"open_clip_train's train_one_epoch, {rates['theirs']:.1f} pairs/s",
            ratio,
            ">= 1.0 x",
            ratio >= 1.0,
            machine(),
        )
    ]


def full_size_on_a_gpu() -> list[Row]:
    """Pairs per second of ViT-L, LoRA and BERT-base, as a share of the rate of products; only with CUDA."""
    if not torch.cuda.is_available():
        return []
    device = torch.device("cuda")
    world = World(0, 1, device)
    with TemporaryDirectory() as name:
        recipe = settings_of(
            {
                "id": "bench",
                "out": f"{name}/out",
                "batch": 128,
                "towers": {"tokenizer": str(TEXT)},
                "compute": {"precision": "bf16", "device": "cuda"},
            },
            PairRecipe,
            "bench",
        )
        towers = starting_point(recipe, Path(name)).towers.to(device)
    objective = PairObjective(towers, towers, PairLoss(recipe.loss, world), recipe.compute, world, dict)
    state = RunState(towers, recipe, towers.heads, 100, "", "cuda")
    batch = _random_batch(recipe.batch, 224, 24)

    def step() -> None:
        losses = objective.backward(batch, 1, state.scaler)
        state.apply()
        objective.settle()
        state.advance(losses)

    with FlopCounterMode(display=False) as counter:
        step()
    seconds = _seconds_on_gpu(step, 10)
    left = torch.randn(8192, 8192, device=device, dtype=torch.bfloat16)
    product = _seconds_on_gpu(lambda: left @ left, 20)
    reached, rate = 2 * 8192**3 / product, counter.get_total_flops() / seconds
    chip = torch.cuda.get_device_name(device)
    return [
        Row(
            "pretraining, ViT-L + LoRA + BERT-base, bf16, batch 128",
            recipe.batch / seconds,
            "/s",
            f"a product of 8192 x 8192, {reached / 1e12:.0f} TFLOP/s",
            rate / reached,
            ">= 0.4 x",
            rate / reached >= 0.4,
            f"{chip}, {machine()}",
        )
    ]


def _photographs(folder: Path, count: int) -> Path:
    """Phantoms as JPEG files of 512 px, few rendered and many copied; captions of their diagnoses."""
    labels = phantom.LABELS[:4]
    rendered = [phantom.render(label, seed, 512) for seed, label in enumerate(labels)]
    rows = []
    for index in range(count):
        which = index % len(labels)
        Image.fromarray(rendered[which]).save(folder / f"{index}.jpg", quality=90)
        rows.append((folder / f"{index}.jpg", f"A fundus photograph of {labels[which]}"))
    manifest = folder / "pairs.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "caption"])
        writer.writerows(rows)
    return manifest


def _recipe(folder: Path, epochs: int) -> PairRecipe:
    return settings_of(
        {
            "id": "bench",
            "out": str(folder / "out"),
            "checkpoints": str(folder / "checkpoints"),
            "checkpoint_every": 10**6,
            "epochs": epochs,
            "batch": BATCH,
            "picture": {"crop": "squash", "augmentation": {}},
            "towers": {
                "architecture": "open_clip",
                "tokenizer": str(TEXT),
                "vision": {
                    "timm_model_name": "vit_tiny_patch16_224",
                    "timm_pool": "token",
                    "image_size": SIZE,
                },
                "bert_sizes": {
                    "hidden_size": 128,
                    "num_hidden_layers": 4,
                    "num_attention_heads": 4,
                    "intermediate_size": 512,
                    "hidden_dropout_prob": 0.0,
                    "attention_probs_dropout_prob": 0.0,
                },
                "embed_dim": 128,
                "context_length": 32,
                "image": "full",
            },
            "loss": {"evidential": 0.0},
            "validation": {"protocol": "none"},
        },
        PairRecipe,
        "bench",
    )


def _ours(folder: Path, manifest: Path) -> Callable[[int], None]:
    """Return a function that trains one epoch, the reading of photographs included."""
    world = World(0, 1, torch.device("cpu"))
    recipe = _recipe(folder, 1)
    pairs = pairs_of_manifest(manifest, Wording("template", "{label}")).pairs
    start = starting_point(recipe, folder / "ours")
    towers = start.towers
    objective = PairObjective(towers, towers, PairLoss(recipe.loss, world), recipe.compute, world, dict)
    order = Order(len(pairs), recipe, world)
    examples = PairExamples(
        pairs,
        start.preprocess,
        recipe.picture.augmentation,
        start.tokenizer,
        start.context_length,
        "caption",
        0,
    )

    def epoch(turn: int) -> None:
        def batches(at: int, step: int) -> Any:
            return loaded(examples, collated, order.mine(at + turn, step), recipe, world)

        state = RunState(towers, recipe, towers.heads, order.steps, str(turn), "cpu")
        train(recipe, world, state, objective, batches, Journal(speaks=False))

    return epoch


def _open_clips(folder: Path, manifest: Path) -> Callable[[int], None]:
    """Return a function that trains one epoch with open_clip's own trainer."""
    from open_clip.loss import ClipLoss
    from open_clip.transform import image_transform
    from open_clip_train.scheduler import cosine_lr
    from open_clip_train.train import train_one_epoch

    start = starting_point(_recipe(folder, 1), folder / "theirs")
    model: Any = start.towers.network
    model.output_dict = True
    arguments = Namespace(
        device="cpu", precision="fp32", distill=False, accum_freq=1, skip_scheduler=False, horovod=False,
        grad_clip_norm=1.0, rank=0, local_rank=0, world_size=1, log_every_n_steps=100, batch_size=BATCH,
        wandb=False, distributed=False, log_local=False,
    )  # fmt: skip
    transform = image_transform(SIZE, is_train=True, mean=start.preprocess.mean, std=start.preprocess.std)
    loader: Any = DataLoader(TheirPairs(manifest, transform, start), BATCH, shuffle=True, drop_last=True)
    loader.num_samples, loader.num_batches = BATCH * STEPS, STEPS
    data = {"train": Namespace(dataloader=loader, set_epoch=lambda epoch: None)}
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    schedule = cosine_lr(optimiser, 1e-4, 1, STEPS)

    def epoch(turn: int) -> None:
        train_one_epoch(model, data, ClipLoss(), 0, optimiser, None, schedule, None, arguments)
        # What open_clip_train.main does after every epoch (save_frequency 1).
        state = {"epoch": turn, "state_dict": model.state_dict(), "optimizer": optimiser.state_dict()}
        torch.save(state, folder / "theirs.pt")

    return epoch


class TheirPairs(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Pairs as open_clip_train's CSV data set gives them, which needs webdataset only to be imported.

    Captions are padded to the context length.
    """

    def __init__(
        self, manifest: Path, transform: Callable[[Image.Image], torch.Tensor], start: Start
    ) -> None:
        with manifest.open(encoding="utf-8") as file:
            self._rows = list(csv.DictReader(file))
        self._transform, self._start = transform, start

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        row, length = self._rows[index], self._start.context_length
        numbers = self._start.tokenizer.encode(row["caption"]).ids[:length]
        ids = torch.tensor(numbers + [0] * (length - len(numbers)))
        return self._transform(Image.open(row["image"])), ids


def _random_batch(count: int, size: int, length: int) -> Batch:
    ids = torch.randint(1000, (count, length))
    return Batch(torch.randn(count, 3, size, size), ids, torch.ones_like(ids), torch.arange(count))


def _seconds_on_gpu(action: Callable[[], object], repeats: int) -> float:
    for _ in range(3):
        action()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(repeats):
        action()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats


SUITES = [against_open_clip, full_size_on_a_gpu]
