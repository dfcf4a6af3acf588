from datetime import UTC, datetime, timedelta

import pytest

from reader_study.timing import TimedEvent, reading_seconds

START = datetime(2026, 3, 1, tzinfo=UTC)


def events(*rows):
    return [TimedEvent(visit, kind, START + timedelta(seconds=second)) for visit, kind, second in rows]


@pytest.mark.parametrize(
    ("rows", "seconds"),
    [
        ([("a", "shown", 0), ("a", "submitted", 40)], 40),
        ([("a", "shown", 0), ("a", "hidden", 10), ("a", "visible", 100), ("a", "submitted", 105)], 15),
        (
            [
                ("a", "shown", 0),
                ("a", "hidden", 10),
                ("a", "idle", 20),
                ("a", "visible", 30),
                ("a", "active", 50),
                ("a", "submitted", 55),
            ],
            15,
        ),
        ([("a", "shown", 0), ("a", "shown", 5), ("a", "submitted", 9)], 9),
        (
            [("a", "shown", 0), ("a", "first_interaction", 7), ("b", "shown", 500), ("b", "submitted", 510)],
            17,
        ),
        ([("b", "shown", 500), ("b", "submitted", 510), ("a", "shown", 0)], 10),
        ([("a", "submitted", 10)], None),
        ([("a", "shown", 10)], None),
        ([], None),
        ([("a", "shown", 10), ("a", "submitted", 4)], 0),
    ],
)
def test_seconds_are_the_time_in_front_of_the_reader(rows, seconds):
    assert reading_seconds(events(*rows)) == seconds
