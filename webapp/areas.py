"""The doors behind the login: which path is for which roles, and what the link to it is called."""

from dataclasses import dataclass

from reader_study.accounts import User

MANAGING_ROLES = frozenset({"coordinator", "manager", "statistician", "admin"})
RESULT_ROLES = frozenset({"manager", "statistician", "admin"})
STEPPING_ROLES = frozenset({"manager", "admin"})


@dataclass(frozen=True)
class Area:
    """A path, with everything below it, that only some roles reach.

    Attributes:
        path: without a slash at the end; the longest area that holds a path decides about it.
        word: key of its link's words; empty for an area that no bar links to.
        roles: who is let in. What a page shows is still decided by ``reader_study``.
    """

    path: str
    word: str
    roles: frozenset[str]

    def holds(self, path: str) -> bool:
        """Whether a request's path lies in this area."""
        return path == self.path or path.startswith(self.path + "/")


READING = Area("/read", "bar.read", frozenset({"reader"}))
MANAGING = (
    Area("/manage", "manage.nav_studies", MANAGING_ROLES),
    Area("/manage/results", "manage.nav_results", RESULT_ROLES),
    Area("/manage/accounts", "manage.nav_accounts", STEPPING_ROLES),
    Area("/manage/packages", "packages.nav", STEPPING_ROLES),
    Area("/manage/records", "manage.nav_records", RESULT_ROLES),
    Area("/manage/new", "", STEPPING_ROLES),
    Area("/manage/benchmarks", "benchmark.nav", RESULT_ROLES),
    Area("/manage/planning", "planning.title", RESULT_ROLES),
)
AREAS = (READING, *MANAGING)


def area_of(path: str) -> Area | None:
    """The area that decides about a path, or ``None`` for a public one."""
    return max((area for area in AREAS if area.holds(path)), key=lambda area: len(area.path), default=None)


def home_of(user: User) -> str:
    """The page where a user's work is."""
    return "/read/" if user.role in READING.roles else "/manage/"
