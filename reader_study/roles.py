"""Who may do what: the role of an account, asked for anew inside every function that needs one."""

from sqlalchemy.orm import Session

from reader_study.audit import SYSTEM
from reader_study.errors import NotAllowed
from reader_study.records import UserRecord

MANAGED_ROLES = ("reader", "coordinator")
"""The roles whose accounts a manager looks after."""


def require_role(session: Session, actor_id: str, roles: tuple[str, ...]) -> UserRecord | None:
    """Let the command line, administrators and the named roles pass; return the actor's row.

    Raises:
        NotAllowed: the actor is unknown, disabled, or of another role.
    """
    if actor_id == SYSTEM:
        return None
    record = session.get(UserRecord, actor_id)
    if record is None or not record.active:
        raise NotAllowed("This account is not active.")
    if record.role != "admin" and record.role not in roles:
        raise NotAllowed(f"The role {record.role!r} may not do this.")
    return record


def require_reader(session: Session, reader_id: str) -> UserRecord:
    """The row of an active reader.

    Raises:
        NotAllowed: nobody active has this id, or the role is another one.
    """
    return must_be_reader(session.get(UserRecord, reader_id))


def must_be_reader(record: UserRecord | None) -> UserRecord:
    """The row given, if it is that of an active reader.

    Raises:
        NotAllowed: it is not active, there is none, or the role is another one.
    """
    if record is None or not record.active:
        raise NotAllowed("This account is not active.")
    if record.role != "reader":
        raise NotAllowed(f"Cases are read by readers; this account is a {record.role}.")
    return record


def may_manage(actor: UserRecord | None, role: str) -> None:
    """Let managers look after readers and coordinators, administrators and the command line after all.

    Raises:
        NotAllowed: the actor may not manage accounts of this role.
    """
    if actor is not None and actor.role != "admin" and role not in MANAGED_ROLES:
        raise NotAllowed(f"The role {actor.role!r} may not manage accounts of the role {role!r}.")
