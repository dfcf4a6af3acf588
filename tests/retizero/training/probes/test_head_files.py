"""Every domain's classifiers get files of their own, whatever the domain is called."""

import hashlib

from retizero.training.probes.head_files import file_stems


def digest(name):
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def test_a_plain_name_is_kept():
    assert file_stems(["within", "A to B"]) == {"within": "within", "A to B": "A_to_B"}


def test_names_that_look_alike_in_plain_letters_are_told_apart():
    names = ["全部", "外部", "A to B", "A/to/B", "A_to_B", "a to b", "A  to B", " A to B", "../up", ""]
    stems = file_stems(names)
    assert stems["全部"] == f"domain-{digest('全部')}"
    assert stems["A/to/B"] == f"A_to_B-{digest('A/to/B')}"
    assert len({stem.casefold() for stem in stems.values()}) == len(names)
    assert not any("/" in stem for stem in stems.values())


def test_long_names_are_cut_and_stay_different():
    stems = file_stems(["x" * 300, "x" * 301])
    assert len(set(stems.values())) == 2
    assert max(map(len, stems.values())) < 100


def test_a_stem_does_not_depend_on_the_domains_that_follow():
    assert file_stems(["A/to/B"])["A/to/B"] == file_stems(["A/to/B", "A to B"])["A/to/B"]
