"""Attacks on accounts and on the database of a running study: guesses, dead sessions, edits, a crowd."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from reader_study import accounts
from reader_study.integrity import verify
from tests.webapp.conftest import PASSWORD


def test_two_hundred_guesses_at_one_account_are_locked_out_from_everywhere(blind):
    accounts.create_user(blind.database, "gus", PASSWORD, role="reader")

    def guess(password: str, address: int) -> httpx.Response:
        headers = {"X-Forwarded-For": f"198.51.100.{address}"}
        return client.post("/login", data={"username": "gus", "password": password}, headers=headers)

    with httpx.Client(base_url=blind.server.url, timeout=60) as client:
        codes = [guess(f"guess {n}", n).status_code for n in range(6)]
        right = guess(PASSWORD, 250)
        codes += [guess(f"guess {n}", n).status_code for n in range(6, 200)]
    assert codes[:6] == [401] * 5 + [429]
    assert right.status_code == 429, "the right password waits too"
    assert int(right.headers["retry-after"]) > 0
    assert codes.count(401) <= 5 + 4, "after each wait one more guess; the waits double"


def test_two_hundred_guesses_from_one_address_are_locked_out_over_all_accounts(blind):
    headers = {"X-Forwarded-For": "203.0.113.9"}
    with httpx.Client(base_url=blind.server.url, timeout=60, headers=headers) as client:
        guesses = ({"username": f"nobody{n}", "password": "guess"} for n in range(200))
        codes = [client.post("/login", data=guess).status_code for guess in guesses]
    assert codes[0] == 401
    assert codes.count(401) <= 20 + 4


def test_a_disabled_users_live_session_ends_at_once(blind):
    accounts.create_user(blind.database, "hal", PASSWORD, role="reader")
    with blind.sign_in("hal") as hal:
        assert hal.get("/read/case").status_code == 200
        accounts.disable_user(blind.database, "hal")
        assert hal.get("/read/case").status_code == 401
        assert hal.get("/read/config").status_code == 401
    answer = httpx.post(blind.server.url + "/login", data={"username": "hal", "password": PASSWORD})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE readings SET confidence = 5",
        "DELETE FROM readings",
        "UPDATE ranked_entries SET diagnosis = 'cataract'",
        "DELETE FROM ranked_entries",
        "UPDATE audit SET details = '{}'",
        "DELETE FROM audit",
        "UPDATE timing_events SET at = '2020-01-01'",
        "UPDATE model_predictions SET score = 1",
        "DELETE FROM model_predictions",
        "INSERT OR REPLACE INTO readings SELECT * FROM readings LIMIT 1",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit LIMIT 1",
    ],
)
def test_the_sqlite3_shell_cannot_edit_evidence(blind, statement):
    with (
        sqlite3.connect(blind.server.data / "retizero.db", timeout=30) as shell,
        pytest.raises(sqlite3.DatabaseError),
    ):
        shell.execute(statement)


def test_twenty_readers_submit_while_a_dashboard_reads(blind):
    names = [f"load{n:02}" for n in range(20)]
    accounts.create_users(blind.database, [accounts.NewAccount(name, PASSWORD) for name in names])
    stop = threading.Event()

    def watch() -> list[int]:
        codes = []
        with blind.sign_in("mira") as mira:
            while not stop.is_set():
                codes.append(mira.get("/manage/studies/demo").status_code)
        return codes

    def read(name: str) -> list[int]:
        with blind.sign_in(name) as client:
            codes = []
            for _ in range(3):
                case = client.get("/read/case?study=demo").json()
                codes.append(blind.answer(client, case["token"]).status_code)
            codes.append(client.get("/read/case?study=demo").json()["number"])
            return codes

    with ThreadPoolExecutor(21) as pool:
        watching = pool.submit(watch)
        try:
            done = list(pool.map(read, names))
        finally:
            stop.set()
        assert set(watching.result()) == {200}
    assert done == [[200, 200, 200, 4]] * 20
    assert verify(blind.database).intact
