from datetime import UTC, datetime, timedelta

import pytest

from reader_study.timing import TimedEvent, reading_seconds, seconds_so_far

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


@pytest.mark.parametrize(
    ("rows", "now", "seconds"),
    [
        ([], 100, 0),
        ([("a", "first_interaction", 0)], 100, 0),
        ([("a", "shown", 0)], 40, 40),
        ([("a", "shown", 0), ("a", "idle", 10)], 40, 40),
        ([("a", "shown", 0), ("a", "paused", 10)], 5000, 10),
        ([("a", "shown", 0), ("a", "hidden", 10), ("a", "paused", 15), ("a", "visible", 20)], 5000, 10),
        ([("a", "shown", 0), ("a", "paused", 10), ("a", "resumed", 500)], 520, 30),
        ([("a", "shown", 0), ("b", "shown", 50)], 60, 60),
        ([("a", "shown", 0), ("a", "hidden", 40), ("b", "shown", 9000)], 9010, 50),
        ([("a", "shown", 100)], 40, 0),
    ],
)
def test_the_time_limit_counts_until_now_and_is_not_reset_by_loading_the_page_again(rows, now, seconds):
    assert seconds_so_far(events(*rows), START + timedelta(seconds=now)) == seconds
