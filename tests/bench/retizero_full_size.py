"""RetiZero at its published size, random weights: the release's way of answering against ours, in one run.

The release's way: every call tokenises and encodes all labels again, padded to the longest; LoRA stays beside
the weights; float32; one photograph. Ours: ``Engine.classify`` as the pages call it, gate included.
"""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn.functional import linear
from torch.utils.flop_counter import FlopCounterMode

from retizero import Engine, phantom
from retizero.data import Preprocess
from retizero.knowledge import LabelSet, label_set, load_catalogue, prompts
from retizero.model.device import computes_in_bfloat16
from retizero.model.identity import ModelIdentity
from retizero.model.retizero.config import RetiZeroConfig
from retizero.model.retizero.encoder import RetiZeroEncoder
from retizero.model.retizero.folder import serve
from retizero.model.retizero.network import RetiZero
from retizero.model.starting_weights import minilm_folder
from tests.bench.rows import Row, best_in_turn, machine

MIN_RATIO = {52: 4.0, 400: 15.0}
MIN_SHARE_OF_MATRIX_RATE = 0.75
SIDE = 2048  # of the large product
BATCHES = (1, 4, 16)
_SQUASH = Preprocess(crop="squash")
_CPU = torch.device("cpu")


def against_the_release() -> list[Row]:
    """One photograph against lists of labels both ways, taking turns."""
    photograph, tokenizer, theirs = phantom.render("drusen", seed=1, size=1024), _tokenizer(), _network()
    engine = Engine(served("cpu"))
    rows = []
    for labels in (label_set("broad52"), _catalogue_labels(400)):
        spoken = _spoken(labels)
        engine.classify(photograph, labels)  # fills the text cache: once in a model's life
        release, ours = best_in_turn(
            partial(_as_the_release, theirs, tokenizer, photograph, spoken),
            partial(engine.classify, photograph, labels),
        )
        least = MIN_RATIO[len(labels.ids)]
        rows.append(
            Row(
                f"RetiZero full size, one photograph, {len(labels.ids)} labels",
                ours * 1000,
                "ms",
                f"the release's way, {release * 1000:.0f} ms, here in {engine.identity.arithmetic}",
                release / ours,
                f">= {least:g} x",
                release / ours >= least,
                machine(),
            )
        )
    return rows


def share_of_the_matrix_rate() -> list[Row]:
    """Arithmetic rate of the image tower against a large product, and against products of its own shapes."""
    network = served("cpu").network
    dtype = network.image.vit.patch_embed.proj.weight.dtype
    pixels = torch.randn(1, 3, 224, 224)
    square = [torch.randn(SIDE, SIDE).to(dtype) for _ in range(2)]
    shapes = [(1024, 3072), (1024, 1024), (1024, 4096), (4096, 1024)]  # a block's layers, 197 rows each
    layers = [(torch.randn(197, k).to(dtype), torch.randn(n, k).to(dtype)) for k, n in shapes]
    with torch.inference_mode():
        tower, product, own = best_in_turn(
            partial(network.encode_image, pixels),
            partial(torch.mm, *square),
            lambda: [linear(rows, weight) for rows, weight in layers],
            repeats=7,
        )
    reached, rate = 2 * SIDE**3 / product, _operations(1) / tower
    plain = sum(2 * 197 * k * n for k, n in shapes) / own
    name = str(dtype).removeprefix("torch.")
    return [
        Row(
            f"RetiZero image tower, one photograph, {name}",
            tower * 1000,
            "ms",
            f"a {SIDE} x {SIDE} product, {reached / 1e9:.0f} GFLOP/s",
            rate / reached,
            f">= {MIN_SHARE_OF_MATRIX_RATE:g} x",
            rate / reached >= MIN_SHARE_OF_MATRIX_RATE,
            machine(),
        ),
        Row(
            f"RetiZero image tower against its own products, {name}",
            rate / 1e9,
            "GF",
            f"plain products of a block's shapes, {plain / 1e9:.0f} GFLOP/s",
            rate / plain,
            "",
            True,
            machine(),
        ),
    ]


def throughput_by_batch() -> list[Row]:
    """Photographs a second through the image tower, by how many share a pass."""
    encoder = served("cpu")
    pixels = np.random.default_rng(0).normal(size=(max(BATCHES), 3, 224, 224)).astype(np.float32)
    times = best_in_turn(*(partial(encoder.encode_images, pixels[:size]) for size in BATCHES), repeats=3)
    alone = BATCHES[0] / times[0]
    return [
        Row(
            f"RetiZero full size, photographs a second, batch {size}",
            size / seconds,
            "/s",
            "one at a time",
            size / seconds / alone,
            "",
            True,
            machine(),
        )
        for size, seconds in zip(BATCHES, times, strict=True)
    ]


def text_side() -> list[Row]:
    """What a hit of the text cache costs, and whether a label's score depends on those beside it."""
    encoder, labels = served("cpu"), label_set("broad52")
    engine = Engine(encoder)
    hit, encoded = best_in_turn(
        partial(engine.label_embeddings, labels), partial(encoder.encode_texts, _spoken(labels)), repeats=3
    )
    image = encoder.encode_images(np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32))
    together = image @ encoder.encode_texts(_spoken(labels)).T
    alone = np.concatenate([image @ encoder.encode_texts([each]).T for each in _spoken(labels)], axis=1)
    gap = float(np.abs(together - alone).max())
    return [
        Row(
            "RetiZero full size, 52 labels from the text cache",
            hit * 1000,
            "ms",
            f"encoding them, {encoded * 1000:.0f} ms",
            hit / encoded,
            "<= 0.01 x",
            hit / encoded <= 0.01,
            machine(),
        ),
        Row(
            "RetiZero full size, a label's score alone and among 52",
            gap * 1e6,
            "ppm",
            "the same label among 52",
            None,
            "<= 1 ppm",
            gap <= 1e-6,
            machine(),
        ),
    ]


def on_a_gpu() -> list[Row]:
    """Photographs a second in bfloat16, folded and compiled, as a share of the chip's matrix rate."""
    if not torch.cuda.is_available():
        return []
    network, batch = served("cuda").network, 64
    compiled = torch.compile(network.image)
    pixels = torch.randn(batch, 3, 224, 224, device="cuda")
    square = [torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2)]

    def finished(action: object) -> None:
        action()  # type: ignore[operator]
        torch.cuda.synchronize()

    with torch.inference_mode():
        tower, product = best_in_turn(
            partial(finished, partial(compiled, pixels)),
            partial(finished, partial(torch.mm, *square)),
            repeats=20,
        )
    share = _operations(batch) / tower / (2 * 8192**3 / product)
    return [
        Row(
            f"RetiZero image tower, {torch.cuda.get_device_name()}, bfloat16, compiled, batch {batch}",
            batch / tower,
            "/s",
            f"an 8192 x 8192 product, {2 * 8192**3 / product / 1e12:.0f} TFLOP/s",
            share,
            "",
            True,
            machine(),
        )
    ]


SUITES = (against_the_release, share_of_the_matrix_rate, throughput_by_batch, text_side, on_a_gpu)


@torch.inference_mode()
def _as_the_release(
    network: RetiZero, tokenizer: Tokenizer, photograph: NDArray[np.uint8], spoken: list[str]
) -> NDArray[np.float32]:
    encoded = tokenizer.encode_batch(spoken)
    longest = max(len(each.ids) for each in encoded)
    ids = torch.tensor([each.ids + [0] * (longest - len(each.ids)) for each in encoded])
    mask = (ids != 0).long()
    image = network.encode_image(torch.from_numpy(_SQUASH(photograph))[None])
    text = network.encode_text(ids, mask, "official")
    return network.logits_per_image(image, text).softmax(dim=-1).numpy()


def _operations(photographs: int) -> int:
    """Floating-point operations of the folded image tower, counted without computing."""
    with torch.device("meta"):
        network = RetiZero(RetiZeroConfig()).eval()
        network.fold()
        pixels = torch.empty(photographs, 3, 224, 224)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network.encode_image(pixels)
    return int(counter.get_total_flops())


def _config() -> RetiZeroConfig:
    config = RetiZeroConfig()
    sizes = {**config.bert, "vocab_size": _tokenizer().get_vocab_size(), "initializer_range": 0.05}
    return RetiZeroConfig(bert=sizes)


@cache
def _network() -> RetiZero:
    """Random weights as the release runs them."""
    torch.manual_seed(0)
    return RetiZero(_config()).eval().requires_grad_(False)


@cache
def served(device: str) -> RetiZeroEncoder:
    """The same weights as we serve them."""
    copy = RetiZero.without_weights(_config())
    copy.load_state_dict(_network().state_dict())
    identity = ModelIdentity(
        id="retizero-random",
        title="RetiZero with random weights",
        architecture="ViT-L/16 + BERT-base",
        embed_dim=copy.config.embed_dim,
        preprocess=_SQUASH.to_dict(),
        weights_sha256="",
        pooling=copy.config.pooling,
    )
    return serve(copy, _tokenizer(), identity, torch.device(device))


@cache
def _tokenizer() -> Tokenizer:
    """A BERT tokenizer that a package ships; Bio_ClinicalBERT's is not ours to ship, prompts are as long."""
    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _spoken(labels: LabelSet) -> list[str]:
    return [
        prompts(each, "template", name=name)[0] for each, name in zip(labels.ids, labels.names, strict=True)
    ]


def _catalogue_labels(count: int) -> LabelSet:
    diseases = load_catalogue().diseases[:count]
    ids, names = tuple(each.id for each in diseases), tuple(each.name for each in diseases)
    return LabelSet(name="bench", version="1", title="bench", title_zh="bench", ids=ids, names=names)


if __name__ == "__main__":
    print(f"bfloat16 in hardware: {computes_in_bfloat16(_CPU)}")
    for suite in SUITES:
        for row in suite():
            print(row, flush=True)
