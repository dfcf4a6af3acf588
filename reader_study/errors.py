"""What can go wrong by a user's doing; each text is one sentence that a page or the command line shows."""

from collections.abc import Sequence


class StudyError(ValueError):
    """The base of every error that a user of the reader study can cause."""


class DatabaseError(StudyError):
    """The database cannot be opened, is of another version or cannot keep its promises."""


class AccountError(StudyError):
    """A user name, password or role that cannot be accepted."""


class BadCredentials(AccountError):
    """User name and password do not belong together, or the account is disabled."""


class LockedOut(AccountError):
    """Too many wrong passwords; try again after ``retry_after_seconds``."""

    def __init__(self, retry_after_seconds: int) -> None:
        """Say how long to wait, in whole seconds."""
        super().__init__(f"Too many failed sign-ins; try again in {retry_after_seconds} seconds.")
        self.retry_after_seconds = retry_after_seconds


class NotAllowed(StudyError):
    """The role of the user, or the state of the study, does not allow this."""


class DesignError(StudyError):
    """A protocol, case list or change of state that cannot be accepted; ``problems`` names every part."""

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        """Keep every problem, so that a user can repair all of them at once."""
        super().__init__(" ".join([message, *problems]) if problems else message)
        self.problems = tuple(problems)


class ConductError(StudyError):
    """A token, answer or moment that the conduct of the study refuses."""


class AlreadyAnswered(ConductError):
    """The case was answered through another token; that first answer stands."""


class TimeUp(ConductError):
    """The protocol's time for one photograph is over; the answer can still be given."""


class InvitationRefused(AccountError):
    """The link is unknown, used, revoked or expired; the four cannot be told apart."""

    def __init__(self) -> None:
        """Say the one sentence."""
        super().__init__("This link is not valid (any more); ask for a new one.")


class PackageError(StudyError):
    """A site package that cannot be opened, trusted or imported."""
