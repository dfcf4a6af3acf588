"""What a reader tells about themselves for the analysis: site, country, specialty, years of experience."""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from reader_study import audit
from reader_study.database import Database
from reader_study.errors import AccountError
from reader_study.records import SiteRecord, UserRecord
from reader_study.roles import require_reader

SPECIALTIES = (
    "retina",
    "glaucoma",
    "general-ophthalmology",
    "ophthalmology-trainee",
    "neuro-ophthalmology",
    "paediatric-ophthalmology",
    "optometry",
    "grader",
    "general-practice",
    "other",
)


@dataclass(frozen=True)
class Profile:
    """A reader's profile; ``country`` is ISO 3166-1 alpha-2, ``completed_at`` is ``None`` until told."""

    site: str
    country: str
    specialty: str
    years: int | None
    completed_at: datetime | None


def profile_of(database: Database, reader_id: str) -> Profile:
    """The profile as it stands.

    Raises:
        NotAllowed: the account is not an active reader.
    """
    with database.session() as session:
        return _profile(require_reader(session, reader_id))


def save_profile(
    database: Database, reader_id: str, *, country: str, specialty: str, years: int, site: str = ""
) -> Profile:
    """Store the profile; the site is taken only where the account has none yet.

    Raises:
        AccountError: a value is not one of those that can be chosen.
        NotAllowed: the account is not an active reader.
    """
    with database.transaction() as session:
        reader = require_reader(session, reader_id)
        _check(session, reader, country, specialty, years, site)
        before = _profile(reader)
        reader.country, reader.specialty, reader.years = country, specialty, years
        reader.site = reader.site or site
        reader.profile_at = database.clock()
        after = _profile(reader)
        audit.append(
            session,
            at=reader.profile_at,
            actor_id=reader_id,
            action="profile",
            subject=f"user {reader.code}",
            details={"old": _facts(before), "new": _facts(after)},
        )
        return after


def _check(session: Session, reader: UserRecord, country: str, specialty: str, years: int, site: str) -> None:
    if not isinstance(country, str) or not re.fullmatch("[A-Z]{2}", country):
        raise AccountError("Choose a country from the list.")
    if specialty not in SPECIALTIES:
        raise AccountError("Choose a specialty from the list.")
    if type(years) is not int or not 0 <= years <= 80:
        raise AccountError("Years of experience is a number from 0 to 80.")
    if site and not reader.site and session.get(SiteRecord, site) is None:
        raise AccountError("Choose a site from the list.")


def _profile(reader: UserRecord) -> Profile:
    return Profile(reader.site, reader.country, reader.specialty, reader.years, reader.profile_at)


def _facts(profile: Profile) -> list[object]:
    return [profile.site, profile.country, profile.specialty, profile.years]
