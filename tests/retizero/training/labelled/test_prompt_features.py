"""Prompts are embedded once for a tower and found again; another tower or other prompts are not mistaken."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from retizero.training.labelled.prompts import cached_text_features


class Transformer(nn.Module):
    """States that depend on the token and its neighbours; counts how often it is asked."""

    def __init__(self, seed):
        super().__init__()
        self.embedding = nn.Embedding(
            30, 4, _weight=torch.randn(30, 4, generator=torch.Generator().manual_seed(seed))
        )
        self.asked = 0

    def forward(self, input_ids, attention_mask):
        self.asked += 1
        assert bool(attention_mask.all()), "no prompt is padded"
        states = self.embedding(input_ids)
        return SimpleNamespace(last_hidden_state=states + states.cumsum(dim=1))


def tower(seed=0):
    made = nn.Module()
    made.transformer, made.config = Transformer(seed), SimpleNamespace(hidden_size=4)
    return made


TOKENIZER = SimpleNamespace(
    encode_batch=lambda texts: [SimpleNamespace(ids=[ord(letter) - 96 for letter in text]) for text in texts]
)
PROMPTS = ("abc", "z", "bcd", "zy")


def test_each_prompt_has_the_mean_of_its_own_states(tmp_path):
    made = tower()
    found = cached_text_features(made, TOKENIZER, PROMPTS, tmp_path)
    for row, prompt in zip(found, PROMPTS, strict=True):
        ids = torch.tensor([TOKENIZER.encode_batch([prompt])[0].ids])
        states = made.transformer(ids, torch.ones_like(ids)).last_hidden_state
        torch.testing.assert_close(row, states[0].mean(dim=0))


def test_the_same_tower_is_not_asked_again(tmp_path):
    first, again = tower(), tower()
    found = cached_text_features(first, TOKENIZER, PROMPTS, tmp_path)
    assert first.transformer.asked == 3  # one pass a length
    assert cached_text_features(again, TOKENIZER, PROMPTS, tmp_path).equal(found)
    assert again.transformer.asked == 0


@pytest.mark.parametrize("other", [(tower(1), PROMPTS), (tower(), PROMPTS[::-1])])
def test_another_tower_or_other_prompts_are_computed(tmp_path, other):
    found = cached_text_features(tower(), TOKENIZER, PROMPTS, tmp_path)
    made, prompts = other
    assert not cached_text_features(made, TOKENIZER, prompts, tmp_path).equal(found)
    assert made.transformer.asked == 3
