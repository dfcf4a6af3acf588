"""The sites of the studies, each under its code."""

import re
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from reader_study import audit
from reader_study.audit import SYSTEM
from reader_study.database import Database
from reader_study.errors import AccountError
from reader_study.records import SiteRecord, UserRecord
from reader_study.roles import require_role
from reader_study.studies import DESIGNERS


@dataclass(frozen=True)
class Site:
    """A site, and how many readers have an active account there."""

    code: str
    name: str
    readers: int


def add_site(database: Database, code: str, name: str = "", *, actor_id: str = SYSTEM) -> None:
    """Add a site, or give one its name.

    Raises:
        AccountError: the code or the name cannot be used.
        NotAllowed: the actor is neither manager nor administrator.
    """
    if not re.fullmatch(r"[\w .-]{1,64}", code) or code != code.strip():
        raise AccountError("A site code has 1 to 64 letters, digits, spaces or the signs . _ -")
    if len(name) > 200 or not name.isprintable():
        raise AccountError("The name of a site is one line of at most 200 characters.")
    with database.transaction() as session:
        require_role(session, actor_id, DESIGNERS)
        row = session.get(SiteRecord, code)
        old = row.name if row is not None else None
        if row is None:
            session.add(SiteRecord(code=code, name=name, created_at=database.clock()))
        else:
            row.name = name
        audit.append(
            session,
            at=database.clock(),
            actor_id=actor_id,
            action="site",
            subject=f"site {code}",
            details={"old": old, "new": name},
        )


def list_sites(database: Database, *, actor_id: str = SYSTEM) -> tuple[Site, ...]:
    """Every site that was added or that an account names, in order of the codes."""
    with database.session() as session:
        require_role(session, actor_id, ("manager", "coordinator", "statistician"))
        return _sites(session)


def site_codes(database: Database) -> tuple[str, ...]:
    """The codes that a reader may choose from."""
    with database.session() as session:
        return tuple(site.code for site in _sites(session))


def _sites(session: Session) -> tuple[Site, ...]:
    names = {row.code: row.name for row in session.scalars(select(SiteRecord))}
    query = (
        select(UserRecord.site, func.count())
        .where(UserRecord.role == "reader", UserRecord.active, ~UserRecord.simulated, UserRecord.site != "")
        .group_by(UserRecord.site)
    )
    readers = {code: number for code, number in session.execute(query)}
    codes = sorted(set(names) | set(readers))
    return tuple(Site(code, names.get(code, ""), readers.get(code, 0)) for code in codes)
