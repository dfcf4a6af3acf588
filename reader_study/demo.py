"""The demo study: synthetic cases, two reader accounts and a manager, ready to read on the first start."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from reader_study.accounts import NewAccount, create_users, find_user
from reader_study.case_list import StudyCase
from reader_study.database import Database
from reader_study.design import create_study
from reader_study.errors import AccountError
from reader_study.protocol import Protocol
from reader_study.records import StudyRecord
from reader_study.simulate import add_simulated_readers, simulate_readings
from reader_study.states import freeze_predictions, open_study

MANAGER = "manager"


@dataclass(frozen=True)
class DemoCase:
    """A synthetic case; ``truth_id`` is a catalogue id."""

    case_id: str
    image_path: Path
    truth_id: str
    rare: bool = False


@dataclass(frozen=True)
class DemoAccount:
    """A user name with its password, which is told here and nowhere again."""

    username: str
    password: str = field(repr=False)
    role: str = "reader"


def demo_exists(database: Database, name: str = "demo") -> bool:
    """Whether the demo study was made completely."""
    with database.session() as session:
        state = session.scalar(select(StudyRecord.state).where(StudyRecord.name == name))
    return state not in (None, "draft") and find_user(database, MANAGER) is not None


def create_demo_study(
    database: Database,
    cases: Sequence[DemoCase],
    *,
    predictions: Mapping[str, Sequence[tuple[str, float]]],
    identity: Mapping[str, Any],
    label_set: str = "demo14",
    k: int = 5,
    readers: int = 2,
    simulated_readers: int = 6,
    seed: int = 20260101,
    name: str = "demo",
    title: str = "Demo study (synthetic photographs)",
) -> tuple[DemoAccount, ...]:
    """Make and open the demo study; accounts come last, so that an interrupted start can be repeated.

    The study is flagged synthetic, and its protocol shows results to the manager while it is open.

    Args:
        database: the study database.
        cases: synthetic cases.
        predictions: the model's ranked (catalogue id, score) for each case_id.
        identity: the model's identity as JSON.
        label_set: what the model ranked.
        k: ranks of an answer.
        readers: how many reader accounts (reader1, reader2, ...).
        simulated_readers: how many simulated readers read it at once; they are marked wherever they show.
        seed: of orders and simulated answers.
        name: short name of the study.
        title: what readers see.

    Returns:
        The accounts with their new passwords; nobody can look these up later.

    Raises:
        AccountError: one of the user names is taken by somebody else.
        DesignError: cases or predictions cannot be used.
    """
    accounts = [DemoAccount(f"reader{number}", _password()) for number in range(1, readers + 1)]
    accounts.append(DemoAccount(MANAGER, _password(), "manager"))
    if taken := [account.username for account in accounts if find_user(database, account.username)]:
        raise AccountError(f"The demo study needs the user names {', '.join(taken)}, which are taken.")
    with database.session() as session:
        study = session.scalar(select(StudyRecord).where(StudyRecord.name == name))
        state = study.state if study is not None else None
        frozen = study is not None and study.model_identity is not None
    if state is None:
        protocol = Protocol(
            name=name, title=title, label_set=label_set, k=k, seed=seed, synthetic=True, live_results=True
        )
        list_of_cases = [
            StudyCase(case.case_id, case.image_path, (case.truth_id,), case.rare, established_by="phantom")
            for case in cases
        ]
        create_study(database, protocol, list_of_cases)
    if not frozen:
        freeze_predictions(database, name, predictions, identity)
    add_simulated_readers(database, simulated_readers)
    if state in (None, "draft"):
        open_study(database, name)
    simulate_readings(database, name, seed=seed)
    create_users(
        database,
        [NewAccount(account.username, account.password, account.role, "demo") for account in accounts],
    )
    return tuple(accounts)


def _password() -> str:
    return secrets.token_urlsafe(9)
