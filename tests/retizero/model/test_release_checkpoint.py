"""The release's files are read strictly, safely, and refused by name."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch

from retizero.model import ModelError
from retizero.model.release_checkpoint import (
    CheckpointMismatch,
    at_image_size,
    is_finetuned,
    load_finetuned,
    load_release,
)
from tests.retizero.model.tiny_retizero import (
    finetuned_tensors,
    release_tensors,
    tiny_classifier,
    tiny_config,
    tiny_network,
    write_release,
)

QUERY = "vision_model.model.lora_vit.blocks.1.attn.qkv.linear_b_q.weight"
POOLER = "text_model.model.pooler.dense.bias"


def _changed(folder: Path, **changes: object) -> Path:
    tensors = release_tensors(tiny_network())
    for name, value in changes.items():
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value
    torch.save(tensors, folder / "F.pth")
    return folder / "F.pth"


def test_a_file_of_the_release_loads_and_answers_as_the_network_it_was_saved_from(tmp_path: Path) -> None:
    network = tiny_network(3)
    loaded = load_release(write_release(tmp_path / "F.pth", network), tiny_config()).eval()
    pixels, ids = torch.randn(2, 3, 32, 32), torch.tensor([[2, 5, 6, 3]])
    with torch.inference_mode():
        assert torch.equal(loaded.encode_image(pixels), network.encode_image(pixels))
        assert torch.equal(loaded.encode_text(ids), network.encode_text(ids))


def test_the_old_position_ids_are_dropped_by_name(tmp_path: Path) -> None:
    path = _changed(tmp_path, **{"text_model.model.embeddings.position_ids": torch.arange(90)[None]})
    assert load_release(path, tiny_config()).logit_scale.ndim == 0


def test_a_missing_tensor_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMismatch, match=QUERY) as caught:
        load_release(_changed(tmp_path, **{QUERY: None}), tiny_config())
    assert caught.value.missing == [QUERY]
    assert caught.value.unexpected == []


def test_an_extra_tensor_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMismatch, match=r"unexpected extra.weight") as caught:
        load_release(_changed(tmp_path, **{"extra.weight": torch.zeros(2)}), tiny_config())
    assert caught.value.unexpected == ["extra.weight"]


def test_a_renamed_tensor_is_refused_by_both_names(tmp_path: Path) -> None:
    path = _changed(tmp_path, **{POOLER: None, f"{POOLER}_": torch.zeros(16)})
    with pytest.raises(CheckpointMismatch) as caught:
        load_release(path, tiny_config())
    assert (caught.value.missing, caught.value.unexpected) == ([POOLER], [f"{POOLER}_"])


def test_a_tensor_of_another_shape_is_refused_with_both_shapes(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMismatch, match="of wrong shape") as caught:
        load_release(_changed(tmp_path, **{POOLER: torch.zeros(17)}), tiny_config())
    assert caught.value.wrong_shape == [f"{POOLER} (17,) instead of (16,)"]
    assert not caught.value.missing
    assert not caught.value.unexpected


def test_an_entry_that_is_no_weight_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=POOLER):
        load_release(_changed(tmp_path, **{POOLER: "text"}), tiny_config())


class _Intruder:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('a checkpoint ran code')",)


@pytest.mark.parametrize("content", [_Intruder(), [torch.zeros(2)]])
def test_a_file_with_code_or_without_a_dictionary_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "F.pth")
    with pytest.raises(ModelError, match=r"F\.pth"):
        load_release(tmp_path / "F.pth", tiny_config())


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 damaged"])
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "F.pth").write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot|not a PyTorch checkpoint"):
        load_release(tmp_path / "F.pth", tiny_config())
    with pytest.raises(ModelError, match="There is no checkpoint"):
        load_release(tmp_path / "absent.pth", tiny_config())


def test_a_fine_tuned_file_loads_with_what_its_training_script_left_beside_the_weights(
    tmp_path: Path,
) -> None:
    network, pixels = tiny_classifier(5), torch.randn(2, 3, 32, 32)
    path = tmp_path / "checkpoint.pth.tar"
    contents = {
        "epoch": 7,
        "state_dict": finetuned_tensors(network),
        "mean_ACC": np.float64(0.5),
        "args": argparse.Namespace(lr=1e-3),
    }
    torch.save(contents, path)
    loaded = load_finetuned(path, tiny_config()).eval()
    assert is_finetuned(path)
    with torch.inference_mode():
        expected = network(pixels)
        assert torch.equal(loaded(pixels), expected)
        loaded.fold()
        torch.testing.assert_close(loaded(pixels), expected, atol=1e-5, rtol=1e-5)


def test_a_flat_fine_tuned_file_is_as_strict(tmp_path: Path) -> None:
    tensors = finetuned_tensors(tiny_classifier(5))
    del tensors["classifier.bias"]
    torch.save(tensors, tmp_path / "F.pth")
    with pytest.raises(CheckpointMismatch, match=r"missing classifier\.bias"):
        load_finetuned(tmp_path / "F.pth", tiny_config())


def test_a_model_for_another_input_size_keeps_everything_but_its_positions() -> None:
    network = tiny_network()
    larger = at_image_size(network, 48).eval()
    assert at_image_size(network, 32) is network
    with torch.inference_mode():
        assert larger.encode_image(torch.randn(1, 3, 48, 48)).shape == (1, 12)
    for name, tensor in larger.state_dict().items():
        if name != "image.vit.pos_embed":
            assert torch.equal(tensor, network.state_dict()[name])
