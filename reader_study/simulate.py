"""Simulated readers, for demonstrations, teaching and tests; marked as simulated everywhere they go.

The generator is the usual two-way model of reader studies (Roe and Metz, Acad Radiol 1997; 4:298, with a
logit link): reader r is right at rank 1 on case c with probability sigmoid(ability_r + ease_c), ability ~
N(0.4, 0.6) and ease ~ N(0, 1), 0.8 lower for rare diseases. Who misses rank 1 has the diagnosis at a later
rank with probability 0.45. Wrong ranks are the look-alikes of the truth, then other labels of the study's
set. Nothing here was fitted to people.
"""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, select

from reader_study import aid, conduct
from reader_study.accounts import NewAccount, User, create_users
from reader_study.answers import Answer
from reader_study.audit import SYSTEM
from reader_study.database import Database
from reader_study.errors import DesignError
from reader_study.records import AssignmentRecord as Place
from reader_study.records import CaseRecord, TokenRecord, UserRecord
from reader_study.studies import study_named
from reader_study.tokens import token_hash
from retizero.knowledge import Catalogue, label_set, load_catalogue

ABILITY_MEAN, ABILITY_SD = 0.4, 0.6
EASE_SD, RARE_PENALTY = 1.0, 0.8
LATER_RANK = 0.45


@dataclass(frozen=True)
class SimulatedCase:
    """What a simulated reader is told about a case, which no real reader is."""

    truth: str
    ease: float


def simulated_answer(
    case: SimulatedCase,
    ability: float,
    *,
    k: int,
    confidence_levels: int,
    labels: tuple[str, ...],
    catalogue: Catalogue,
    rng: np.random.Generator,
) -> Answer:
    """Draw one answer; see the module for the model."""
    chance = 1 / (1 + np.exp(-(ability + case.ease)))
    length = int(rng.integers(1, k + 1))
    if rng.random() < chance:
        rank = 1
    elif k > 1 and rng.random() < LATER_RANK:
        rank = int(rng.integers(2, k + 1))
        length = max(length, rank)
    else:
        rank = 0
    near = [other.id for other in catalogue[case.truth].look_alikes] if case.truth in catalogue else []
    far = [labels[index] for index in rng.permutation(len(labels))]
    wrong = [name for name in dict.fromkeys([*near, *far]) if name != case.truth and "ungradable" not in name]
    ranks = wrong[:length]
    if rank:
        ranks = [*wrong[: rank - 1], case.truth, *wrong[rank - 1 :]][:length]
    certainty = chance * 0.6 + 0.4 * rng.random() if rank == 1 else chance * 0.5 + 0.3 * rng.random()
    return Answer(tuple(ranks or [case.truth]), 1 + round(float(certainty) * (confidence_levels - 1)))


def add_simulated_readers(database: Database, number: int, *, actor_id: str = SYSTEM) -> tuple[User, ...]:
    """Make sure that accounts SIM-01, SIM-02, ... exist; nobody can sign in to them."""
    with database.session() as session:
        query = select(func.count()).select_from(UserRecord).where(UserRecord.simulated)
        here = session.scalar(query) or 0
    new = [
        NewAccount(f"sim-{index:02}", None, site="simulated", simulated=True, code=f"SIM-{index:02}")
        for index in range(here + 1, number + 1)
    ]
    return create_users(database, new, actor_id=actor_id)


def simulate_readings(database: Database, study_name: str, *, seed: int) -> int:
    """Let every simulated reader read what is left of an open study of synthetic cases, through ``conduct``.

    Their times are those of a program and mean nothing.

    Returns:
        How many readings were stored.

    Raises:
        DesignError: the study's cases are not synthetic; simulated and real readings are not mixed there.
    """
    catalogue = load_catalogue()
    with database.session() as session:
        study = study_named(session, study_name)
        if not study.synthetic:
            raise DesignError(f"Study {study_name} has real cases; simulated readers do not read it.")
        labels = label_set(study.label_set).ids
        reader_ids = session.scalars(
            select(UserRecord.id).where(UserRecord.simulated).order_by(UserRecord.code)
        ).all()
        query = select(CaseRecord).where(CaseRecord.study_id == study.id).order_by(CaseRecord.position)
        cases = session.scalars(query).all()
        ease = np.random.default_rng((seed, 0)).normal(0.0, EASE_SD, len(cases))
        told = {
            case.id: SimulatedCase(case.reference[0].diagnosis, float(drawn) - RARE_PENALTY * case.rare)
            for case, drawn in zip(cases, ease, strict=True)
        }
    stored = 0
    for ordinal, reader_id in enumerate(reader_ids, 1):
        ability = float(np.random.default_rng((seed, ordinal)).normal(ABILITY_MEAN, ABILITY_SD))
        while (reading := conduct.next_reading(database, reader_id, study_name)) is not None:
            case_id = _case_of(database, reading.token)
            answer = simulated_answer(
                told[case_id],
                ability,
                k=reading.k,
                confidence_levels=reading.confidence_levels,
                labels=labels,
                catalogue=catalogue,
                rng=np.random.default_rng((seed, ordinal, case_id, reading.period)),
            )
            if reading.aided:
                aid.aid_for(database, reader_id, reading.token)
            conduct.submit(database, reader_id, reading.token, answer)
            stored += 1
    return stored


def _case_of(database: Database, token: str) -> int:
    """The case behind a token; a simulated reader is told, to draw an answer around the truth."""
    with database.session() as session:
        place = session.get_one(TokenRecord, token_hash(token)).assignment_id
        return session.get_one(Place, place).case_id
