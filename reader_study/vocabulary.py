"""The words of a study as they stood when its cases came in: its labels, and which answers are accepted.

A catalogue grows. Answers are scored by what was accepted then, so that no later change of a label set, a
synonym or a parent turns an old answer from right to wrong or back.
"""

from collections.abc import Iterable
from typing import Any

from reader_study.protocol import config_of
from reader_study.records import StudyRecord
from reader_study.scoring import Matches, catalogue_match
from retizero.knowledge import AcceptanceRule, LabelSet, label_set, load_catalogue


def freeze(
    labels: LabelSet, truths: Iterable[str], rule: AcceptanceRule, earlier: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The vocabulary to store: what was frozen ``earlier`` stays, new truths are added."""
    catalogue = load_catalogue()
    matches = catalogue_match(catalogue, rule)
    accepted: dict[str, list[str]] = dict(earlier["accepted"]) if earlier else {}
    for truth in sorted(set(truths) - set(accepted)):
        others = [entry.id for entry in catalogue.diseases if matches(entry.id, truth)]
        accepted[truth] = sorted({truth, *others})
    return {
        "catalogue": earlier["catalogue"] if earlier else catalogue.version,
        "labels": earlier["labels"]
        if earlier
        else {"ids": list(labels.ids), "names": list(labels.names), "names_zh": list(labels.names_zh)},
        "accepted": accepted,
    }


def labels_of(study: StudyRecord) -> LabelSet:
    """The study's label set as it was frozen (of a study of the first schema: as it is now)."""
    if study.vocabulary is None:
        return label_set(study.label_set)
    labels = study.vocabulary["labels"]
    return LabelSet(
        name=study.label_set,
        version=study.label_set_version,
        title=study.label_set,
        title_zh=study.label_set,
        ids=tuple(labels["ids"]),
        names=tuple(labels["names"]),
        names_zh=tuple(labels["names_zh"]),
    )


def matches_of(study: StudyRecord) -> Matches:
    """Whether an answer is accepted for a truth, by what was frozen."""
    if study.vocabulary is None:
        return catalogue_match(load_catalogue(), config_of(study)["rule"])
    accepted = {truth: frozenset(answers) for truth, answers in study.vocabulary["accepted"].items()}

    def matches(answer: str, truth: str) -> bool:
        return answer == truth or answer in accepted.get(truth, ())

    return matches
