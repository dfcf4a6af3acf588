from dataclasses import replace

import pytest

from reader_study import conduct, design, integrity, panel, states
from reader_study.errors import DesignError, NotAllowed, StudyError
from reader_study.protocol import Protocol
from tests.reader_study.conftest import make_reader

PROTOCOL = Protocol("pilot", "Pilot", label_set="demo14", seed=7, reference="panel")


@pytest.fixture
def voting(database, cases):
    """A draft of four cases without a reference standard, and a panel of three."""
    design.create_study(database, PROTOCOL, [replace(case, truths=()) for case in cases])
    members = [make_reader(database, f"expert{n}", role="coordinator") for n in range(3)]
    for member in members:
        panel.assign_panelist(database, "pilot", member.username)
    return members


def vote_all(database, member, name_for):
    """Let a member vote on every case; ``name_for`` is given the last figure of its image's name."""
    numbers = []
    while (case := panel.next_case(database, member.id, "pilot")) is not None:
        numbers.append(case.number)
        figure = panel.image_for(database, member.id, "pilot", case.key).stem[-1]
        panel.vote(database, member.id, "pilot", case.key, name_for(int(figure)))
    return numbers


def test_the_majority_becomes_the_reference_standard_and_the_rest_is_settled(database, voting):
    always = {1: ["glaucoma"], 2: ["drusen", "glaucoma"], 3: ["normal-fundus"]}
    fourth = {"expert0": ["drusen"], "expert1": ["glaucoma"], "expert2": ["CRVO"]}
    for member in voting:
        numbers = vote_all(
            database, member, lambda figure, who=member.username: always.get(figure, fourth[who])
        )
        assert numbers == [1, 2, 3, 4]
    assert panel.close_panel(database, "pilot") == ("C004",)
    with pytest.raises(DesignError, match="C004"):
        states.open_study(database, "pilot", without_model=True)
    panel.settle(database, "pilot", "C004", ["CRVO"])
    found = {each.case: each.settled for each in panel.panel_status(database, "pilot")}
    assert found == {
        "C001": ("glaucoma",),
        "C002": ("drusen", "glaucoma"),
        "C003": ("normal-fundus",),
        "C004": ("central-retinal-vein-occlusion",),
    }
    states.open_study(database, "pilot", without_model=True)
    reader = make_reader(database)
    assert conduct.next_reading(database, reader.id) is not None
    assert integrity.verify(database).intact
    with pytest.raises(DesignError, match="is fixed"):
        panel.settle(database, "pilot", "C004", ["glaucoma"])


def test_a_panel_is_not_closed_before_everybody_voted(database, voting):
    vote_all(database, voting[0], lambda _: ["glaucoma"])
    with pytest.raises(DesignError, match="Votes are missing on 4 cases"):
        panel.close_panel(database, "pilot")
    assert {each.votes for each in panel.panel_status(database, "pilot")} == {1}


def test_members_have_names_for_the_cases_of_their_own_and_vote_once(database, voting):
    first, other = voting[:2]
    mine = panel.next_case(database, first.id, "pilot")
    with pytest.raises(StudyError, match="does not wait"):
        panel.image_for(database, other.id, "pilot", mine.key)
    assert "C00" not in repr(mine)
    panel.vote(database, first.id, "pilot", mine.key, ["glaucoma"])
    with pytest.raises(StudyError, match="does not wait"):
        panel.vote(database, first.id, "pilot", mine.key, ["drusen"])
    for wrong in ([], ["flux capacitor"], ["glaucoma", "glaucoma"], "glaucoma"):
        key = panel.next_case(database, first.id, "pilot").key
        with pytest.raises(StudyError):
            panel.vote(database, first.id, "pilot", key, wrong)


def test_only_members_of_the_panel_see_its_cases(database, voting):
    stranger = make_reader(database, "stranger")
    key = panel.next_case(database, voting[0].id, "pilot").key
    for way in (
        lambda: panel.next_case(database, stranger.id, "pilot"),
        lambda: panel.image_for(database, stranger.id, "pilot", key),
        lambda: panel.vote(database, stranger.id, "pilot", key, ["glaucoma"]),
    ):
        with pytest.raises(NotAllowed):
            way()
    with pytest.raises(NotAllowed):
        panel.panel_status(database, "pilot", actor_id=voting[0].id)


def test_a_practice_case_needs_its_reference_standard_from_the_start(sqlite, cases):
    with pytest.raises(DesignError, match="truth is empty"):
        design.create_study(sqlite, PROTOCOL, [replace(cases[0], truths=(), practice=True), cases[1]])
