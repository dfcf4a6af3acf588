import pytest
from sqlalchemy import text

from reader_study import aid, conduct, design, integrity, states
from reader_study.conduct import Answer
from reader_study.errors import ConductError, DesignError, NotAllowed
from reader_study.protocol import Protocol
from reader_study.records import DisplayRecord
from reader_study.states import CaseEvidence, FrozenReference
from tests.reader_study.conftest import IDENTITY, make_reader, make_study, predictions_for

ANSWER = Answer(("glaucoma", "drusen"), 3)
MAP, PICTURE = b"\x89PNG map", b"\x89PNG picture"


def aided_study(database, cases, **protocol):
    settings = {"label_set": "demo14", "seed": 7, "arms": ("aided",), "k": 2, **protocol}
    design.create_study(database, Protocol("pilot", "Pilot", **settings), cases)
    evidence = {
        case.case_id: CaseEvidence(
            {1: MAP, 9: b"beyond k"},
            [FrozenReference("g7", "glaucoma", 0.9, PICTURE), FrozenReference("g8", "drusen", 0.8)],
        )
        for case in cases
    }
    states.freeze_predictions(database, "pilot", predictions_for(cases), IDENTITY, evidence=evidence)
    states.open_study(database, "pilot")


def test_what_the_reader_was_shown_is_recorded_at_the_first_look(database, cases, clock):
    reader = make_reader(database)
    aided_study(database, cases)
    token = conduct.next_reading(database, reader.id).token
    first = aid.aid_for(database, reader.id, token)
    clock.move(minutes=5)
    fresh = conduct.next_reading(database, reader.id).token
    assert aid.aid_for(database, reader.id, fresh) == first
    assert [entry.rank for entry in first.entries] == [1, 2]
    assert first.entries[0].score == pytest.approx(0.7)
    assert (first.model, first.maps) == ("test-model", (1,))
    assert [(near.id, near.diagnosis, near.has_image) for near in first.references] == [
        ("g7", "glaucoma", True),
        ("g8", "drusen", False),
    ]
    assert aid.map_for(database, reader.id, token, 1) == MAP
    assert aid.reference_image_for(database, reader.id, token, 1) == PICTURE
    for nothing in (
        lambda: aid.map_for(database, reader.id, token, 2),
        lambda: aid.reference_image_for(database, reader.id, token, 2),
    ):
        with pytest.raises(ConductError, match="no such image"):
            nothing()
    with database.session() as session:
        (shown,) = session.query(DisplayRecord).all()
    assert shown.content["maps"] == [[1, integrity.sha256(MAP)]]
    assert shown.content["entries"][0][2] == pytest.approx(0.7)
    assert integrity.verify(database).intact


def test_the_unaided_arm_has_no_way_to_the_model(database, cases):
    reader = make_reader(database)
    make_study(database, cases, design="sequential")
    token = conduct.next_reading(database, reader.id).token
    for way in (
        lambda: aid.aid_for(database, reader.id, token),
        lambda: aid.map_for(database, reader.id, token, 1),
        lambda: aid.reference_image_for(database, reader.id, token, 1),
    ):
        with pytest.raises(ConductError, match="without the model"):
            way()
    conduct.submit(database, reader.id, token, ANSWER)
    aided = conduct.next_reading(database, reader.id).token
    assert aid.aid_for(database, reader.id, aided).entries
    with pytest.raises(ConductError):
        aid.aid_for(database, reader.id, token)


def test_only_the_reader_with_the_case_before_them_sees_the_aid(database, cases):
    ana, ben = make_reader(database, "ana"), make_reader(database, "ben")
    boss = make_reader(database, "boss", role="manager")
    aided_study(database, cases)
    token = conduct.next_reading(database, ana.id).token
    with pytest.raises(ConductError, match="no longer valid"):
        aid.aid_for(database, ben.id, token)
    with pytest.raises(NotAllowed):
        aid.aid_for(database, boss.id, token)
    aid.aid_for(database, ana.id, token)
    conduct.submit(database, ana.id, token, ANSWER)
    for after in (aid.aid_for, lambda *who: aid.map_for(*who, 1)):
        with pytest.raises(ConductError, match="answered already"):
            after(database, ana.id, token)


def test_a_changed_map_reference_or_display_is_found(sqlite, cases):
    reader = make_reader(sqlite)
    aided_study(sqlite, cases)
    aid.aid_for(sqlite, reader.id, conduct.next_reading(sqlite, reader.id).token)
    changes = {
        "model_maps": ("SET png = x'00' WHERE case_id = 1 AND rank = 1", "predictions of pilot was changed"),
        "model_references": ("SET similarity = 0.99 WHERE case_id = 2", "predictions of pilot was changed"),
        "model_displays": ("SET shown_at = '2026-01-01 00:00:00'", "display 1 was changed"),
    }
    for table, (change, problem) in changes.items():
        with sqlite.engine.connect() as connection:
            connection.execute(text(f"DROP TRIGGER {table}_refuse_update"))
            connection.execute(text(f"UPDATE {table} {change}"))
            connection.commit()
        verdict = integrity.verify(sqlite)
        assert any(sentence.startswith(problem) for sentence in verdict.problems), (table, verdict.problems)


def test_evidence_of_a_case_that_the_study_lacks_is_refused(sqlite, cases):
    design.create_study(sqlite, Protocol("pilot", "Pilot", label_set="demo14", arms=("aided",)), cases)
    with pytest.raises(DesignError, match="C999"):
        states.freeze_predictions(
            sqlite, "pilot", predictions_for(cases), IDENTITY, evidence={"C999": CaseEvidence()}
        )
