"""What the desk shows now, as JSON: a case, what comes before the first one, or why there is none."""

from typing import Any

from reader_study import conduct, consent, profile
from reader_study.accounts import User
from reader_study.conduct import Feedback, NextReading, OwnAnswer, StudyProgress
from reader_study.corrections import OwnReading
from reader_study.database import Database
from retizero.knowledge import UnknownDisease, load_catalogue
from webapp.language import Language

WORK = ("consent", "profile", "reading")


def desk_state(database: Database, user: User, words: Language, study: str | None) -> dict[str, Any]:
    """Return the next page of the desk; ``page`` says which.

    Args:
        database: the study database.
        user: the signed-in reader.
        words: of the page.
        study: the study the reader chose; ``None`` where no choice was made yet.
    """
    reading = conduct.next_reading(database, user.id, study)
    if reading is not None and study is not None:
        return case_page(reading, words)
    standing = conduct.progress(database, user.id)
    open_ones = [p for p in standing if p.standing in WORK and study in (None, p.study)]
    if study is None and len(open_ones) > 1:
        return studies_page(database, user, words)
    if open_ones and open_ones[0].standing == "consent":
        return _consent(database, user, open_ones[0])
    if open_ones and open_ones[0].standing == "profile":
        return _profile(database, user, words, open_ones[0])
    if reading is not None:
        return case_page(reading, words)
    mine = [p for p in standing if study in (None, p.study)]
    return {
        "page": "message",
        "message": _why_nothing(mine, words),
        "studies": [_study(p, words) for p in standing],
    }


def studies_page(database: Database, user: User, words: Language) -> dict[str, Any]:
    """Return the reader's studies with how far each is."""
    return {
        "page": "studies",
        "studies": [_study(p, words) for p in conduct.progress(database, user.id)],
    }


def case_page(reading: NextReading, words: Language) -> dict[str, Any]:
    """Return what the desk may know of a case: its place in the order, never what it is."""
    return {
        "page": "case",
        "token": reading.token,
        "study": reading.study,
        "title": reading.title,
        "number": reading.number,
        "total": reading.total,
        "position": words("read.case", number=reading.number, total=reading.total),
        "part": _part(reading, words),
        "practice": reading.practice,
        "aided": reading.aided,
        "k": reading.k,
        "confidence_levels": reading.confidence_levels,
        "free_text": reading.free_text,
        "synthetic": reading.synthetic,
        "differential_help": words("read.differential_help", k=reading.k),
        "findings": _signs(words) if reading.findings else [],
        "seconds_left": _seconds_left(reading),
        "previous": own_answer(reading.previous, words) if reading.previous else None,
        "locked_before": reading.previous is not None and not reading.correcting,
        "correcting": reading.correcting,
    }


def own_answer(answer: OwnAnswer, words: Language) -> dict[str, Any]:
    """Return an answer of the reader's own with names to show."""
    return {
        "ranks": [
            {"id": diagnosis or text, "label": shown_name(diagnosis, words) if diagnosis else text}
            for diagnosis, text in zip(answer.diagnoses, answer.ranks, strict=True)
        ],
        "confidence": answer.confidence,
        "comment": answer.comment,
        "findings": list(answer.findings),
    }


def feedback_page(feedback: Feedback, words: Language, then: dict[str, Any]) -> dict[str, Any]:
    """Return what a reader is told after a practice case, with the page that follows."""
    names = "; ".join(shown_name(truth, words) for truth in feedback.truths)
    if feedback.rank:
        said = words("read.feedback_named", rank=feedback.rank)
    else:
        said = words("read.feedback_missed")
    return {"page": "feedback", "correct": feedback.correct, "said": said, "truth": names, "next": then}


def shown_name(diagnosis: str, words: Language) -> str:
    """Return a diagnosis in the reader's language; a label outside the catalogue keeps its own words."""
    if diagnosis in ("normal-fundus", "ungradable"):
        return words("read.normal" if diagnosis == "normal-fundus" else "read.ungradable")
    try:
        disease = load_catalogue()[diagnosis]
    except UnknownDisease:
        return diagnosis
    name = disease.name[:1].upper() + disease.name[1:]
    return f"{disease.name_zh} · {name}" if words.code == "zh" else name


def _study(p: StudyProgress, words: Language) -> dict[str, Any]:
    return {
        "study": p.study,
        "title": p.title,
        "done": p.done,
        "total": p.total,
        "standing": words(f"read.standing_{p.standing}"),
        "open": p.standing in WORK,
        "corrections": p.corrections and p.state == "open" and p.done > 0,
        "position": words("read.done_of", done=p.done, total=p.total),
    }


def _consent(database: Database, user: User, standing: StudyProgress) -> dict[str, Any]:
    asked = consent.consent_text(database, user.id, standing.study)
    text, sha256 = (asked.text, asked.sha256) if asked else ("", "")
    return {
        "page": "consent",
        "study": standing.study,
        "title": standing.title,
        "text": text,
        "sha256": sha256,
    }


def _profile(database: Database, user: User, words: Language, standing: StudyProgress) -> dict[str, Any]:
    known = profile.profile_of(database, user.id)
    return {
        "page": "profile",
        "study": standing.study,
        "title": standing.title,
        "site": known.site,
        "country": known.country,
        "years": known.years,
        "specialty": known.specialty,
        "specialties": [[key, words(f"read.specialty_{key}")] for key in profile.SPECIALTIES],
    }


def _part(reading: NextReading, words: Language) -> str:
    """Which part of the study this is, in words; empty where there is only one."""
    parts = []
    if reading.practice:
        parts.append(words("read.practice"))
    if reading.periods > 1:
        parts.append(words("read.period", period=reading.period, periods=reading.periods))
    if reading.steps > 1:
        parts.append(words("read.step_aided" if reading.step > 1 else "read.step_unaided"))
    elif reading.aided:
        parts.append(words("read.aided"))
    if reading.correcting:
        parts.append(words("read.correcting"))
    return " · ".join(parts)


def own_place(own: OwnReading, words: Language) -> str:
    """Where an answer of one's own stands, in words."""
    parts = [words("read.answer_at", number=own.number, period=own.period)]
    if own.steps > 1:
        parts = [words("read.answer_case", number=own.number)]
        parts.append(words("read.step_aided" if own.step > 1 else "read.step_unaided"))
    if own.practice:
        parts.append(words("read.practice"))
    return " · ".join(parts)


def _seconds_left(reading: NextReading) -> float | None:
    if reading.time_limit_seconds is None:
        return None
    return max(0.0, reading.time_limit_seconds - reading.seconds_spent)


def _signs(words: Language) -> list[list[str]]:
    signs = load_catalogue().signs.values()
    return [[sign.id, sign.name_zh if words.code == "zh" else sign.name] for sign in signs]


def _why_nothing(standing: list[StudyProgress], words: Language) -> str:
    waiting = [p.opens_at for p in standing if p.standing == "waiting" and p.opens_at]
    if waiting:
        return words("read.waiting", date=f"{min(waiting):%Y-%m-%d}")
    return words("read.done" if any(p.standing == "done" for p in standing) else "read.nothing")
