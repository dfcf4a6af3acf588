"""The rebuilt towers compute what their papers say, checked against other implementations."""

import json
import math

import pytest
import torch
from torch.nn.functional import normalize
from transformers import BertConfig, BertModel, ViTConfig, ViTModel

from retizero.model import ModelError
from retizero.model.release_checkpoint import release_name
from retizero.model.retizero.config import RetiZeroConfig
from retizero.model.retizero.image_tower import ImageTower, interpolate_positions
from retizero.model.retizero.lora import QueryValueLora
from retizero.model.retizero.network import RetiZero
from tests.retizero.model.tiny_retizero import CONFIG, tiny_config, tiny_network


def test_the_published_sizes_have_the_published_numbers_of_parameters_and_tensors() -> None:
    with torch.device("meta"):
        network = RetiZero(RetiZeroConfig())
    network.image.freeze_all_but_lora()
    parameters = list(network.parameters())
    assert sum(each.numel() for each in parameters) == 413_315_841
    assert sum(each.numel() for each in parameters if each.requires_grad) == 110_014_209
    assert len({release_name(name) for name in network.state_dict()}) == 592


def test_the_image_tower_agrees_with_the_vit_of_transformers() -> None:
    network = tiny_network()
    vit = network.config.vit
    theirs = ViTModel(
        ViTConfig(
            hidden_size=vit.embed_dim,
            num_hidden_layers=vit.depth,
            num_attention_heads=vit.num_heads,
            intermediate_size=4 * vit.embed_dim,
            image_size=vit.img_size,
            patch_size=vit.patch_size,
            layer_norm_eps=1e-6,
            hidden_act="gelu",
        ),
        add_pooling_layer=False,
    ).eval()
    own = dict(network.image.vit.state_dict())
    for block in range(vit.depth):
        lora = {
            part: own[f"blocks.{block}.attn.qkv.linear_{part}.weight"]
            for part in ("a_q", "b_q", "a_v", "b_v")
        }
        query, key, value = own[f"blocks.{block}.attn.qkv.qkv.weight"].chunk(3)
        own[f"blocks.{block}.q"] = query + lora["b_q"] @ lora["a_q"]
        own[f"blocks.{block}.k"] = key
        own[f"blocks.{block}.v"] = value + lora["b_v"] @ lora["a_v"]
        for part, bias in zip("qkv", own[f"blocks.{block}.attn.qkv.qkv.bias"].chunk(3), strict=True):
            own[f"blocks.{block}.{part}_bias"] = bias
    theirs.load_state_dict({name: own[_name_in_timm(name)] for name in theirs.state_dict()}, strict=True)
    pixels = torch.randn(3, 3, 32, 32)
    with torch.inference_mode():
        expected = theirs(pixels, output_hidden_states=True)
        torch.testing.assert_close(
            network.image.features(pixels), expected.last_hidden_state[:, 0], atol=1e-5, rtol=1e-5
        )


def _name_in_timm(name: str) -> str:
    for part, long in (("q", "query"), ("k", "key"), ("v", "value")):
        for attention in (f"attention.attention.{long}", f"attention.{part}_proj"):
            name = name.replace(f"{attention}.weight", part).replace(f"{attention}.bias", f"{part}_bias")
    for theirs, ours in (
        ("embeddings.cls_token", "cls_token"),
        ("embeddings.position_embeddings", "pos_embed"),
        ("embeddings.patch_embeddings.projection", "patch_embed.proj"),
        ("encoder.layer.", "blocks."),
        ("layers.", "blocks."),
        ("layernorm_before", "norm1"),
        ("layernorm_after", "norm2"),
        ("attention.output.dense", "attn.proj"),
        ("attention.o_proj", "attn.proj"),
        ("intermediate.dense", "mlp.fc1"),
        ("output.dense", "mlp.fc2"),
        ("layernorm", "norm"),
    ):
        name = name.replace(theirs, ours)
    return name


def test_folding_lora_leaves_the_embeddings_as_they_were() -> None:
    network, pixels = tiny_network(), torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        before, retrieval = network.encode_image(pixels), network.image.patch_mean(pixels)
        network.fold()
        assert not any(isinstance(module, QueryValueLora) for module in network.modules())
        torch.testing.assert_close(network.encode_image(pixels), before, atol=1e-6, rtol=0)
        torch.testing.assert_close(network.image.patch_mean(pixels), retrieval, atol=1e-5, rtol=1e-5)


def test_lora_touches_query_and_value_and_never_the_key() -> None:
    layer = QueryValueLora(torch.nn.Linear(6, 18), rank=2)
    torch.nn.init.ones_(layer.linear_b_q.weight)
    torch.nn.init.ones_(layer.linear_b_v.weight)
    change = layer.folded().weight - layer.qkv.weight
    assert torch.equal(change[6:12], torch.zeros(6, 6))
    torch.testing.assert_close(
        change[:6], layer.linear_b_q.weight @ layer.linear_a_q.weight, atol=1e-6, rtol=0
    )
    torch.testing.assert_close(
        change[12:], layer.linear_b_v.weight @ layer.linear_a_v.weight, atol=1e-6, rtol=0
    )


def test_new_lora_changes_nothing() -> None:
    plain = torch.nn.Linear(6, 18)
    tokens = torch.randn(2, 5, 6)
    assert torch.equal(QueryValueLora(plain, rank=2)(tokens), plain(tokens))


def test_official_pooling_averages_three_layers_over_every_position_with_padding() -> None:
    text = tiny_network().text
    reference = BertModel(BertConfig(**CONFIG["bert"])).eval()
    reference.load_state_dict(text.bert.state_dict())
    ids = torch.tensor([[2, 6, 7, 3, 0, 0], [2, 5, 6, 7, 8, 3]])
    mask = (ids != 0).long()
    with torch.inference_mode():
        states = reference(ids, attention_mask=mask, output_hidden_states=True).hidden_states
        mean = (states[1].mean(1) + states[2].mean(1) + states[3].mean(1)) / 3
        expected = normalize(normalize(mean, dim=-1) @ text.projection.projection.weight.T, dim=-1)
        torch.testing.assert_close(text(ids, mask, "official"), expected, atol=1e-6, rtol=0)


def test_our_pooling_of_a_padded_prompt_is_the_official_pooling_of_the_prompt_alone() -> None:
    text = tiny_network().text
    alone, padded = torch.tensor([[2, 6, 7, 3]]), torch.tensor([[2, 6, 7, 3, 0, 0, 0, 0]])
    mask = (padded != 0).long()
    with torch.inference_mode():
        expected = text(alone, None, "official")
        torch.testing.assert_close(text(padded, mask, "padding-independent"), expected, atol=1e-6, rtol=0)
        assert float((text(padded, mask, "official") * expected).sum()) < 0.999


def test_the_logit_scale_starts_at_one_over_seven_hundredths_and_never_passes_a_hundred() -> None:
    network, one = tiny_network(), torch.eye(12)[:1]
    with torch.inference_mode():
        assert network.logits_per_image(one, one).item() == pytest.approx(1 / 0.07)
        network.logit_scale.fill_(math.log(5000))
        assert network.logits_per_image(one, one).item() == pytest.approx(100, abs=1e-2)


def test_positions_of_a_ramp_stay_a_ramp_at_twice_the_size() -> None:
    ramp = torch.arange(8.0).repeat(8, 1).reshape(1, 64, 1)
    positions = torch.cat((torch.full((1, 1, 1), 9.0), ramp), dim=1)
    doubled = interpolate_positions(positions, 256)
    assert doubled.shape == (1, 257, 1)
    assert doubled[0, 0, 0] == 9
    rows = doubled[0, 1:, 0].reshape(16, 16)
    expected = (torch.arange(4.0, 12.0) + 0.5) / 2 - 0.5
    torch.testing.assert_close(
        rows[:, 4:12], expected.expand(16, 8), atol=0.05, rtol=0
    )  # cubic: nearly straight
    torch.testing.assert_close(rows + rows.flip(1), torch.full((16, 16), 7.0))
    assert interpolate_positions(positions, 64) is positions


def test_positions_that_form_no_square_are_refused() -> None:
    with pytest.raises(ValueError, match="square"):
        interpolate_positions(torch.zeros(1, 12, 4), 16)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vit": None}, "no 'vit' part"),
        ({"embed_dim": 0}, "embed_dim must be a whole number"),
        ({"vit": {**CONFIG["vit"], "img_size": 30}}, "img_size 30 is not a multiple"),
        ({"vit": {**CONFIG["vit"], "num_heads": 5}}, "embed_dim 24 is not a multiple"),
        ({"vit": {**CONFIG["vit"], "colour": 1}}, "unknown entries: vit.colour"),
        ({"vit": {"img_size": 32}}, "lacks vit.depth"),
        ({"bert": {**CONFIG["bert"], "num_hidden_layers": 1}}, "at least 2"),
        ({"bert": {"vocab_size": 5}}, "lacks bert.hidden_size"),
        ({"pooling": "median"}, "pooling must be one of"),
    ],
)
def test_an_impossible_config_is_told_in_a_sentence(change: dict, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        RetiZeroConfig.from_dict({**CONFIG, **change})


def test_a_config_survives_json() -> None:
    config = tiny_config()
    assert RetiZeroConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_building_without_weights_still_has_berts_constant_numbers() -> None:
    network = RetiZero.without_weights(tiny_config())
    network.load_state_dict(tiny_network().state_dict())
    ids = torch.tensor([[2, 6, 7, 3]])
    with torch.inference_mode():
        torch.testing.assert_close(network.eval().encode_text(ids), tiny_network().encode_text(ids))


def test_an_image_tower_without_lora_has_no_lora_weights() -> None:
    config = RetiZeroConfig.from_dict({**CONFIG, "vit": {**CONFIG["vit"], "lora_rank": 0}})
    assert not [name for name in ImageTower(config.vit, 12).state_dict() if "linear_" in name]
