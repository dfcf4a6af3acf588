"""Masked autoencoding learns from photographs alone, and its encoder becomes the image tower."""

import numpy as np
import pytest
import torch
import yaml

from retizero import phantom
from retizero.cli import main
from retizero.model.retizero.config import ImageTowerConfig
from retizero.model.retizero.image_tower import VisionTower
from retizero.model.retizero.starting_points import load_retfound
from retizero.training.mae.network import MaskedAutoencoder, patches, sine_positions
from retizero.training.mae.pretrain import pretrain_mae
from retizero.training.mae.recipe import MaeRecipe
from retizero.training.pairs.start import starting_point
from retizero.training.strict_settings import settings_of
from tests.retizero.real_processes import run_command, start_together
from tests.retizero.training.pairs.tiny_pairs import VIT, recipe, write_discs

SIZES = ImageTowerConfig(**VIT, lora_rank=0)


def tiny(masked=0.75, normalise=False):
    torch.manual_seed(0)
    return MaskedAutoencoder(SIZES, 16, 1, 2, masked, normalise)


def plan(folder, **changes):
    values = {
        "recipe": "mae",
        "id": "tiny-mae",
        "out": str(folder / "mae.pth"),
        "checkpoints": str(folder / "checkpoints"),
        "epochs": 3,
        "batch": 8,
        "vit": VIT,
        "decoder_dim": 16,
        "decoder_depth": 1,
        "decoder_heads": 2,
        "optimiser": {"learning_rate": 5e-3, "warmup_epochs": 0.2},
        "compute": {"threads": 1},
        **changes,
    }
    return settings_of(values, MaeRecipe, "test")


def test_the_loss_looks_at_hidden_patches_only_and_the_encoder_at_seen_ones():
    network, pixels, noise = tiny(), torch.randn(2, 3, 32, 32), torch.rand(2, 16)
    loss = network(pixels, noise)
    hidden = noise.argsort(dim=1)[:, -12:]
    cut = patches(pixels, 8).clone()
    for row in range(2):
        cut[row, hidden[row]] += 5.0
    grid = cut.reshape(2, 4, 4, 8, 8, 3).permute(0, 5, 1, 3, 2, 4).reshape(2, 3, 32, 32)
    assert torch.equal(patches(grid, 8), cut)
    seen = noise.argsort(dim=1)[:, :-12]
    assert torch.allclose(network.encode(grid, seen), network.encode(pixels, seen), atol=1e-5)
    # every hidden pixel is 5 brighter, the painted ones are the same
    painted = network.paint(network.encode(pixels, seen), noise.argsort(dim=1))
    error = torch.stack(
        [(painted[row, hidden[row]] - cut[row, hidden[row]]).square().mean() for row in (0, 1)]
    )
    assert float(network(grid, noise).detach()) == pytest.approx(float(error.mean().detach()), rel=1e-5)
    assert float(loss.detach()) < float(error.mean().detach())


def test_painted_patches_return_to_their_places():
    network = tiny()
    with torch.no_grad():
        for block in network.decoder_blocks:
            for weight in (block.attn.proj, block.mlp.fc2):
                weight.weight.zero_()
                weight.bias.zero_()
        network.decoder_pos_embed.zero_()
    order = torch.rand(1, 16).argsort(dim=1)
    encoded = torch.randn(1, 5, 24)
    painted = network.paint(encoded, order)
    alone = network.decoder_pred(network.decoder_norm(network.decoder_embed(encoded)))
    for place in range(4):
        assert torch.allclose(painted[0, order[0, place]], alone[0, 1 + place], atol=1e-6)
    empty = network.decoder_pred(network.decoder_norm(network.mask_token))[0, 0]
    assert torch.allclose(painted[0, order[0, 9]], empty, atol=1e-6)


def test_positions_are_sines_of_both_axes():
    positions = sine_positions(8, 3)[0].double()
    assert positions.shape == (10, 8)
    assert not positions[0].any()
    row, column = 2, 1
    here = positions[1 + 3 * row + column]
    rates = [1.0, 10000**-0.5]
    expected = [f(place * rate) for place in (column, row) for f in (np.sin, np.cos) for rate in rates]
    assert np.allclose(here, expected, atol=1e-6)


def test_the_loss_falls_on_phantoms_and_the_encoder_becomes_an_image_tower(tmp_path):
    phantom.write_dataset(tmp_path / "phantoms", 10, seed=5, size=64)
    made = plan(tmp_path, epochs=14, batch=4, normalise_patches=False)
    history = pretrain_mae(made, tmp_path / "phantoms/manifest.csv")
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    tower = VisionTower(SIZES)
    load_retfound(tower, made.out)
    stored = torch.load(made.out, weights_only=True)["model"]
    assert torch.equal(tower.vit.blocks[1].attn.qkv.weight, stored["blocks.1.attn.qkv.weight"])
    towers = {**recipe(tmp_path).towers.model_dump(), "init": "mae", "mae": str(made.out), "image": "lora"}
    start = starting_point(recipe(tmp_path, towers=towers), tmp_path / "work")
    begun = start.towers.network.image.vit
    assert torch.equal(begun.blocks[1].attn.qkv.qkv.weight, stored["blocks.1.attn.qkv.weight"])
    assert torch.equal(begun.pos_embed, stored["pos_embed"])


def test_a_run_in_parts_or_resumed_is_the_same_run(tmp_path):
    manifest = write_discs(tmp_path / "discs", 20)
    whole = pretrain_mae(plan(tmp_path / "whole"), manifest)
    parts = pretrain_mae(plan(tmp_path / "parts", compute={"threads": 1, "micro_batch": 3}), manifest)
    for one, two in zip(whole, parts, strict=True):
        assert two == pytest.approx(one, abs=1e-4)
    again = pretrain_mae(plan(tmp_path / "whole"), manifest, resume=True)
    assert again == whole
    assert {"epoch", "loss", "val_loss", "score"} == set(whole[0])


@pytest.mark.parametrize("how", ["ddp", "fsdp"])
def test_two_processes_paint_what_one_paints(tmp_path, how):
    manifest = write_discs(tmp_path / "discs", 20)
    weights = []
    for count, folder in ((1, tmp_path / "one"), (2, tmp_path / "two")):
        folder.mkdir()
        settings = plan(folder, epochs=2, compute={"threads": 1, "processes": how}).model_dump(mode="json")
        (folder / "mae.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        asked = ["train", "mae", "--config", str(folder / "mae.yaml"), "--manifest", str(manifest)]
        start_together(run_command, count, asked, folder / "told.txt")
        weights.append(torch.load(folder / "mae.pth", weights_only=True)["model"])
    for name, tensor in weights[0].items():
        assert torch.allclose(tensor, weights[1][name], atol=2e-4), name


def test_the_command_trains_and_refuses(tmp_path, capsys):
    manifest = write_discs(tmp_path / "discs", 12)
    config = tmp_path / "mae.yaml"
    config.write_text(yaml.safe_dump(plan(tmp_path, epochs=1).model_dump(mode="json")), encoding="utf-8")
    assert main(["train", "mae", "--config", str(config), "--manifest", str(manifest)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "mae.pth")
    config.write_text("recipe: mae\nid: a\nout: b\nvit: {size: 3}\n", encoding="utf-8")
    assert main(["train", "mae", "--config", str(config), "--manifest", str(manifest)]) == 2
    assert "no size" in capsys.readouterr().err
