"""The ablation page: what is computed again, what is refused, what it says of itself."""

import shutil

import pytest

from docs import ablation
from retizero import phantom
from retizero.data import read_manifest


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    """Phantoms of which some validate; pages and results go to a folder of the test."""
    monkeypatch.setattr(ablation, "HERE", tmp_path)
    monkeypatch.setattr(ablation, "RESULTS", tmp_path / "results")
    phantom.write_dataset(tmp_path / "phantoms", 4, size=64)
    path = tmp_path / "phantoms" / "manifest.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",train", ",val", 2), encoding="utf-8")
    return path


@pytest.fixture
def computed(monkeypatch):
    """Runs that were computed, each by the seed that it was asked for; none of them trains."""
    runs = []

    def trained(config, _manifest):
        runs.append(config.seed)
        return [{"score": 0.1}, {"score": 0.5, "top1": 0.4, "top3": 0.6, "top5": 0.7, "balanced": 0.3}]

    monkeypatch.setattr(ablation, "trained", trained)
    monkeypatch.setattr(ablation, "VARIANTS", {"the recipe": ablation.RECIPE})
    return runs


def test_the_page_names_its_manifest_and_a_second_call_computes_nothing(manifest, computed, tmp_path):
    for _ in range(2):
        assert ablation.main(["--manifest", str(manifest), "--seeds", "2"]) == 0
    assert computed == [0, 1]
    text = (tmp_path / "ablation.md").read_text(encoding="utf-8")
    assert "MANIFEST=.../manifest.csv`" in text
    assert "over 2 seeds" in text
    assert "| the recipe | 0.400 ± 0.000 | 0.600 ± 0.000 | 0.700 ± 0.000 | 0.300 ± 0.000 |" in text


def test_results_of_another_manifest_are_not_taken(manifest, computed, tmp_path):
    shutil.copytree(manifest.parent, tmp_path / "same")
    shutil.copytree(manifest.parent, tmp_path / "other")
    lines = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "other" / "manifest.csv").write_text("".join(lines[:-1]), encoding="utf-8")
    for folder, runs in (("phantoms", 1), ("same", 1), ("other", 2)):
        ablation.scores(ablation.RECIPE, read_manifest(tmp_path / folder / "manifest.csv"))
        assert len(computed) == runs


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--manifest", "nowhere.csv"], "nowhere.csv does not exist."),
        (["--manifest", "{made}", "--seeds", "0"], "--seeds is at least 1, not 0."),
    ],
)
def test_what_cannot_be_used_is_one_sentence(manifest, computed, capsys, arguments, sentence):
    assert ablation.main([each.format(made=manifest) for each in arguments]) == 2
    assert capsys.readouterr().err.strip() == sentence
    assert not computed


def test_a_manifest_without_photographs_to_validate_on_is_refused(manifest, computed, capsys):
    text = manifest.read_text(encoding="utf-8").replace(",val", ",test")
    manifest.write_text(text, encoding="utf-8")
    assert ablation.main(["--manifest", str(manifest)]) == 2
    assert "no row with split 'val'" in capsys.readouterr().err
