"""``models check``: our numbers are those that the release recorded."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from retizero.cli import main
from retizero.model.parity import OUTPUTS, TOLERANCE, check_parity, outputs
from tests.retizero.model.tiny_retizero import CONFIG, tiny_network, write_release

CONTRACT = ["missing", "unexpected", "max_abs_diff", "max_abs_diff_folded"]


@pytest.fixture
def triple(tmp_path: Path) -> dict[str, Path]:
    """Config, checkpoint and recorded outputs of a tiny network, as ``models check`` takes them."""
    network, generator = tiny_network(), np.random.default_rng(0)
    ids = np.array([[2, 6, 7, 3, 0, 0], [2, 5, 6, 7, 8, 3]])
    inputs = {
        "pixels": generator.normal(size=(2, 3, 32, 32)).astype(np.float16),
        "input_ids": ids,
        "attention_mask": (ids != 0).astype(np.int64),
    }
    np.savez(tmp_path / "IO.npz", **inputs, **outputs(network, inputs))
    (tmp_path / "C.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    return {
        "config": tmp_path / "C.json",
        "checkpoint": write_release(tmp_path / "F.pth", network),
        "inputs": tmp_path / "IO.npz",
    }


def _check(triple: dict[str, Path]) -> int:
    return main(
        [
            "models",
            "check",
            *(part for name, path in triple.items() for part in (f"--{name}", str(path))),
            "--json",
        ]
    )


def test_the_recorded_outputs_of_the_release_are_reproduced(shared: Path) -> None:
    folder = shared / "official_parity"
    parity = check_parity(
        folder / "tiny_official_config.json", folder / "tiny_official.pth", folder / "tiny_official_io.npz"
    )
    assert set(parity.max_abs_diff) == set(parity.max_abs_diff_folded) == set(OUTPUTS)
    assert parity.worst <= TOLERANCE


def test_check_prints_one_json_document_of_the_agreed_form(
    triple: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _check(triple) == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == CONTRACT
    assert list(answer["max_abs_diff"]) == list(answer["max_abs_diff_folded"]) == list(OUTPUTS)
    assert max(answer["max_abs_diff"].values()) == 0
    assert 0 < max(answer["max_abs_diff_folded"].values()) <= TOLERANCE


def test_check_refuses_a_renamed_key_by_name_with_status_two(
    triple: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = torch.load(triple["checkpoint"], weights_only=True)
    tensors["logit_scales"] = tensors.pop("logit_scale")
    torch.save(tensors, triple["checkpoint"])
    assert _check(triple) == 2
    said = capsys.readouterr()
    assert said.err.strip() == "F.pth does not fit the model: missing logit_scale; unexpected logit_scales."
    assert json.loads(said.out) == {
        "missing": ["logit_scale"],
        "unexpected": ["logit_scales"],
        "wrong_shape": [],
    }


def test_check_says_when_the_numbers_are_others(
    triple: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write_release(triple["checkpoint"], tiny_network(seed=1))
    assert _check(triple) == 2
    said = capsys.readouterr()
    assert "does not give the recorded outputs" in said.err
    assert max(json.loads(said.out)["max_abs_diff"].values()) > TOLERANCE


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda arrays: arrays.pop("text_embeds"), "lack text_embeds"),
        (lambda arrays: arrays.update(pixels=arrays["pixels"][:, :, :16]), "pixels are"),
        (lambda arrays: arrays.update(input_ids=arrays["input_ids"] + 500), "outside the vocabulary"),
        (lambda arrays: arrays.update(image_embeds=arrays["image_embeds"][:1]), "image_embeds is"),
    ],
)
def test_recorded_inputs_that_do_not_fit_are_told_in_a_sentence(
    triple: dict[str, Path], capsys: pytest.CaptureFixture[str], spoil: object, said: str
) -> None:
    arrays = dict(np.load(triple["inputs"]))
    spoil(arrays)  # type: ignore[operator]
    np.savez(triple["inputs"], **arrays)
    assert _check(triple) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("broken", ["config", "checkpoint", "inputs"])
def test_a_file_that_is_absent_or_something_else_is_told_in_a_sentence(
    triple: dict[str, Path], capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    triple[broken].write_bytes(b"something else")
    assert _check(triple) == 2
    triple[broken].unlink()
    assert _check(triple) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2
    assert all(triple[broken].name in line for line in lines)
