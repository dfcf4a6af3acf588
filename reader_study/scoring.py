"""When is a ranked differential right? Its entries against the reference standard, through the catalogue."""

from collections.abc import Callable, Sequence
from typing import get_args

from retizero.knowledge import AcceptanceRule, Catalogue

RULES: tuple[AcceptanceRule, ...] = get_args(AcceptanceRule)
"""``same``: the same entry. ``child``: or a more specific one. ``parent``: or a more general one."""

TRUTHS = ("any", "all", "primary")
"""For a case with several correct diagnoses: any of them, all of them, or only the first counts."""

UNGRADABLE = "ungradable-fundus-photograph"
NORMAL = "normal-fundus"

Matches = Callable[[str, str], bool]
"""``matches(answer, truth)``, both as ids."""


def catalogue_match(catalogue: Catalogue, rule: AcceptanceRule) -> Matches:
    """A matcher for ids of the catalogue; ids outside it (free labels, ungradable) match only themselves."""

    def matches(answer: str, truth: str) -> bool:
        if answer == truth:
            return True
        if answer not in catalogue or truth not in catalogue:
            return False
        return catalogue.is_same_or_accepted(answer, truth, rule=rule)

    return matches


def hit_rank(
    ranked: Sequence[str | None], truths: Sequence[str], matches: Matches, which: str = "any"
) -> int:
    """The rank at which a differential is right, counted from 1; 0 where it never is.

    A Top-k answer is right when ``1 <= hit_rank <= k``. An entry of ``None`` (free text that nobody has
    adjudicated) keeps its rank and matches nothing.

    >>> hit_rank(["amd", None, "drusen"], ["drusen"], lambda answer, truth: answer == truth)
    3
    >>> hit_rank(["amd", "drusen"], ["drusen", "amd"], lambda answer, truth: answer == truth, which="all")
    2

    Raises:
        ValueError: there is no truth, or ``which`` is unknown.
    """
    if not truths:
        raise ValueError("a case without a reference standard cannot be scored")
    if which not in TRUTHS:
        raise ValueError(f"{which!r} is not one of {', '.join(TRUTHS)}")
    wanted = truths[:1] if which == "primary" else truths
    ranks = [
        next((rank for rank, entry in enumerate(ranked, 1) if entry is not None and matches(entry, truth)), 0)
        for truth in wanted
    ]
    if which == "all":
        return max(ranks) if all(ranks) else 0
    return min((rank for rank in ranks if rank), default=0)


def name_or_id(catalogue: Catalogue, text: str) -> str | None:
    """The id that a text names exactly (an id, a name or a synonym, any case), or ``None``. Never a guess."""
    if text in catalogue:
        return text
    if text.casefold() == "ungradable":
        return UNGRADABLE
    found = catalogue.resolve(text)
    return found.id if found.match in ("exact", "synonym") else None
