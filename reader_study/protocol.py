"""The protocol of a study: what is fixed before the first case is read, checked in full."""

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from reader_study.errors import DesignError
from reader_study.records import StudyRecord
from reader_study.scoring import RULES, TRUTHS
from retizero.knowledge import AcceptanceRule

LARGEST_SEED = 2**31 - 1
ALL_READERS = "all"
INVITED_READERS = "invited"
UNAIDED, AIDED = "unaided", "aided"
STRATA = ("rare", "site", "disease")
REFERENCES = ("import", "panel")


@dataclass(frozen=True)
class DesignRule:
    """What a design fixes: the arms it may have, its periods (``None``: as asked), its usual wash-out."""

    arms: tuple[tuple[str, ...], ...]
    periods: int | None = None
    wash_out_days: int = 0


DESIGNS: dict[str, DesignRule] = {
    "single": DesignRule(((UNAIDED,), (AIDED,))),
    "sequential": DesignRule(((UNAIDED, AIDED),), periods=2),
    "crossover": DesignRule(((UNAIDED, AIDED),), periods=2, wash_out_days=28),
    "split_plot": DesignRule(((UNAIDED,), (AIDED,), (UNAIDED, AIDED)), wash_out_days=28),
}
"""``single``: one arm. ``sequential``: each case unaided and at once again aided, the first answer locked.
``crossover``: every reader reads all cases in both arms, half of them in each order. ``split_plot``: each
reader reads one block of the cases, in one arm or crossed over between two."""

DEFAULT_CONFIG: dict[str, Any] = {
    "arms": [UNAIDED],
    "periods": 1,
    "rule": "same",
    "truths": "any",
    "readers": ALL_READERS,
    "free_text": True,
    "live_results": False,
    "blocks": 1,
    "repeats": 0,
    "stratify_by": [],
    "time_limit_seconds": None,
    "corrections": False,
    "findings": False,
    "consent": "",
    "profile": False,
    "reference": "import",
}


def config_of(study: StudyRecord) -> dict[str, Any]:
    """The protocol's JSON part, complete: studies of an earlier schema lack the keys that came later."""
    return {**DEFAULT_CONFIG, **study.config}


@dataclass(frozen=True)
class Protocol:
    """What is fixed before the first case is read.

    Attributes:
        name: short name for commands and file names.
        title: what readers see.
        version: of the protocol, as its authors count.
        label_set: named label set that the model ranks.
        k: how many ranked diagnoses a reader may give.
        confidence_levels: the scale runs from 1 to this number.
        periods: how often each reader reads every case.
        wash_out_days: days between the last reading of a period and the first of the next.
        seed: of every order of cases.
        rule: which catalogue entries match the reference standard, see ``scoring``.
        truths: what a case with several correct diagnoses asks for, see ``scoring``.
        readers: user names, or ``all``: every active reader, also those who come later.
        free_text: whether a diagnosis outside the catalogue may be typed, for adjudication.
        synthetic: whether the cases are no photographs of people.
        live_results: whether a manager sees accuracy while the study is open; for teaching only, and said so.
        design: one of ``DESIGNS``.
        arms: ``unaided``, ``aided`` or both, as the design allows.
        blocks: split-plot: into how many blocks the cases are dealt.
        repeats: how many cases each reader meets a second time, unannounced, for intra-reader agreement.
        stratify_by: what blocks and repeats are balanced for: ``rare``, ``site`` and ``disease``.
        time_limit_seconds: how long a photograph is shown, pauses apart; later answers are kept and marked.
        corrections: whether an answer may be corrected, with a reason, until the next period begins.
        findings: whether readers tag the findings they see.
        consent: text that each reader agrees to before the first case.
        profile: whether each reader tells country, specialty and years before the first case.
        reference: ``import``: the case list brings the reference standard; ``panel``: a panel votes for it.
    """

    name: str
    title: str
    version: str = "1"
    label_set: str = "broad52"
    k: int = 5
    confidence_levels: int = 5
    periods: int = 0
    wash_out_days: int = -1
    seed: int = field(default_factory=lambda: secrets.randbelow(LARGEST_SEED))
    rule: AcceptanceRule = "same"
    truths: str = "any"
    readers: tuple[str, ...] | str = ALL_READERS
    free_text: bool = True
    synthetic: bool = False
    live_results: bool = False
    design: str = "single"
    arms: tuple[str, ...] = ()
    blocks: int = 0
    repeats: int = 0
    stratify_by: tuple[str, ...] = ()
    time_limit_seconds: int | None = None
    corrections: bool = False
    findings: bool = False
    consent: str = ""
    profile: bool = False
    reference: str = "import"

    def __post_init__(self) -> None:
        """Fill in what the design fixes, then refuse what no study can mean."""
        for name, value in _fixed_by_design(self).items():
            object.__setattr__(self, name, value)
        problems = [sentence for holds, sentence in _checks(self) if not holds]
        if problems:
            raise DesignError("The protocol cannot be used.", problems)

    @property
    def config(self) -> dict[str, Any]:
        """What the study's row keeps as JSON: the parts without a column of their own."""
        readers = self.readers if isinstance(self.readers, str) else list(self.readers)
        return {
            "periods": self.periods,
            "rule": self.rule,
            "truths": self.truths,
            "readers": readers,
            "free_text": self.free_text,
            "live_results": self.live_results,
            "arms": list(self.arms),
            "blocks": self.blocks,
            "repeats": self.repeats,
            "stratify_by": list(self.stratify_by),
            "time_limit_seconds": self.time_limit_seconds,
            "corrections": self.corrections,
            "findings": self.findings,
            "consent": self.consent,
            "profile": self.profile,
            "reference": self.reference,
        }


def _fixed_by_design(p: Protocol) -> dict[str, Any]:
    """What follows from the design where the protocol leaves it open (no arms, 0 periods, wash-out of -1)."""
    rule = DESIGNS.get(p.design)
    if rule is None:
        return {}
    arms = p.arms or rule.arms[0]
    periods = rule.periods or (2 if len(arms) > 1 else 1)
    wash_out = rule.wash_out_days if len(arms) > 1 else 0
    return {
        "arms": arms,
        "periods": p.periods or periods,
        "wash_out_days": wash_out if p.wash_out_days == -1 else p.wash_out_days,
        "blocks": p.blocks or (2 if p.design == "split_plot" else 1),
    }


def _checks(p: Protocol) -> list[tuple[bool, str]]:
    rule = DESIGNS.get(p.design, DesignRule(()))
    several = len(p.arms) > 1
    return [
        (p.design in DESIGNS, f"design: one of {', '.join(DESIGNS)}."),
        (
            p.design not in DESIGNS or p.arms in rule.arms,
            f"arms: a {p.design} study has {' or '.join(' and '.join(arms) for arms in rule.arms)}.",
        ),
        (
            not several or p.periods == 2,
            "periods: a design with two arms has two periods, one for each.",
        ),
        (
            p.design != "sequential" or p.wash_out_days == 0,
            "wash_out_days: a sequential study reads both arms in one sitting; leave the wash-out out.",
        ),
        (
            2 <= p.blocks <= 50 if p.design == "split_plot" else p.blocks == 1,
            "blocks: a split-plot study has 2 to 50 blocks, other designs have none.",
        ),
        (0 <= p.repeats <= 1000, "repeats: a number of cases from 0 to 1000."),
        (
            set(p.stratify_by) <= set(STRATA) and len(set(p.stratify_by)) == len(p.stratify_by),
            f"stratify_by: each of {', '.join(STRATA)} at most once.",
        ),
        (
            p.time_limit_seconds is None or 5 <= p.time_limit_seconds <= 7200,
            "time_limit_seconds: a number from 5 to 7200.",
        ),
        (len(p.consent) <= 20_000, "consent: at most 20000 characters."),
        (p.reference in REFERENCES, f"reference: one of {', '.join(REFERENCES)}."),
        (
            bool(re.fullmatch(r"[\w.-]{1,64}", p.name)),
            "name: 1 to 64 letters, digits or . _ - without spaces.",
        ),
        (0 < len(p.title) <= 200 and p.title.isprintable(), "title: one line of 1 to 200 characters."),
        (0 < len(p.version) <= 40 and p.version.isprintable(), "protocol_version: 1 to 40 characters."),
        (1 <= p.k <= 20, "k: a number from 1 to 20."),
        (2 <= p.confidence_levels <= 101, "confidence_levels: a number from 2 to 101."),
        (1 <= p.periods <= 10, "periods: a number from 1 to 10."),
        (0 <= p.wash_out_days <= 3650, "wash_out_days: a number from 0 to 3650."),
        (0 <= p.seed <= LARGEST_SEED, f"seed: a number from 0 to {LARGEST_SEED}."),
        (p.rule in RULES, f"rule: one of {', '.join(RULES)}."),
        (p.truths in TRUTHS, f"truths: one of {', '.join(TRUTHS)}."),
        (
            p.readers in (ALL_READERS, INVITED_READERS) or not isinstance(p.readers, str),
            "readers: `all`, `invited` or a list of user names.",
        ),
        (
            p.synthetic or not p.live_results,
            "live_results: results before the lock are for teaching on synthetic cases; set "
            "`synthetic: true`.",
        ),
    ]
