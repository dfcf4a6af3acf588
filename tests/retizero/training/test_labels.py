"""From manifest labels to targets and prompts."""

from pathlib import Path

import numpy as np
import pytest

from retizero.data import ManifestRow
from retizero.knowledge import load_catalogue, parse_labels
from retizero.training.labelled.prompts import training_prompts
from retizero.training.labels import LabelMismatch, label_matrix

LABELS = parse_labels("drusen; macular hole; glaucoma")


def row(*labels):
    return ManifestRow(Path("a.jpg"), "a.jpg", labels[0], labels, "g", "s", "train", 7)


def test_every_label_of_a_row_counts_and_the_first_is_primary():
    matrix, primary = label_matrix([row("glaucoma"), row("Macular Hole", "drusen")], LABELS, load_catalogue())
    assert matrix.tolist() == [[0, 0, 1], [1, 1, 0]]
    assert primary.tolist() == [2, 1]


def test_a_further_label_outside_the_set_is_left_out_and_a_primary_one_refused():
    matrix, _ = label_matrix([row("glaucoma", "cataract")], LABELS, load_catalogue())
    assert matrix.tolist() == [[0, 0, 1]]
    with pytest.raises(LabelMismatch, match="Row 7: 'cataract' is not in the label set"):
        label_matrix([row("cataract")], LABELS, load_catalogue())


def test_prompts_speak_of_the_sets_labels_first_and_then_of_the_whole_catalogue():
    catalogue = load_catalogue()
    prompts = training_prompts(LABELS, catalogue, "ensemble", "A fundus photograph of {label}")
    assert len(prompts.texts) == len(prompts.owner)
    assert np.array_equal(np.unique(prompts.owner), np.arange(len(catalogue.diseases)))
    of_glaucoma = [text for text, owner in zip(prompts.texts, prompts.owner, strict=True) if owner == 2]
    assert "A fundus photograph of glaucoma" in of_glaucoma
    assert len(of_glaucoma) == len(set(of_glaucoma)) > 3
