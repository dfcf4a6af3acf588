import pytest

from retizero.knowledge import STYLES, PromptError, load_catalogue, prompts


def test_the_default_is_the_prompt_of_the_release():
    assert prompts("glaucoma") == ("A fundus photograph of glaucoma",)


def test_a_label_set_may_word_the_label():
    assert prompts("normal-fundus", name="normal") == ("A fundus photograph of normal",)


def test_findings_are_added_in_words():
    (text,) = prompts("central-retinal-artery-occlusion", "findings")
    assert text.startswith("A fundus photograph of central retinal artery occlusion, with ")
    assert "cherry-red spot" in text


def test_the_ensemble_holds_every_other_wording_once():
    ensemble = prompts("retinitis-pigmentosa", "ensemble")
    assert len(set(ensemble)) == len(ensemble)
    for style in ("template", "findings", "descriptions"):
        assert set(prompts("retinitis-pigmentosa", style)) <= set(ensemble)


@pytest.mark.parametrize("style", STYLES)
def test_free_text_gets_a_prompt_in_every_style(style):
    assert prompts("free:purple fundus", style)[0].endswith("purple fundus")


def test_the_template_belongs_to_the_model_and_braces_in_a_label_are_harmless():
    assert prompts("odd {name} {0}", template="photo: {label}.") == ("photo: odd {name} {0}.",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("glaucoma", "poem"), "style"),
        (("glaucoma", "template", "no place"), "{label}"),
        (("free:  ",), "empty"),
    ],
)
def test_impossible_prompts_are_refused_in_words(arguments, message):
    with pytest.raises(PromptError, match=message):
        prompts(*arguments)


def test_building_prompts_changes_nothing_in_the_catalogue():
    before = load_catalogue().version
    descriptions = load_catalogue()["glaucoma"].descriptions
    for style in STYLES:
        prompts("glaucoma", style)
    assert load_catalogue()["glaucoma"].descriptions is descriptions
    assert load_catalogue().version == before


def test_every_prompt_of_every_entry_is_short_enough_for_77_word_pieces_by_a_safe_margin():
    longest = max(
        (text for d in load_catalogue().diseases for style in STYLES for text in prompts(d.id, style)),
        key=len,
    )
    assert len(longest) <= 260, longest
