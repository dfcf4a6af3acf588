"""Readings in the forms that other programs for multi-reader studies read: MRMCaov, iMRMC, RJafroc.

What is compared is whether the first diagnosis is right. These programs know ratings of diseased and
non-diseased cases, so every case counts as diseased and a right reading is rated 1, a wrong one 0. iMRMC and
RJafroc compare areas under ROC curves and get one more, non-diseased case that everybody rates 0.5: the area
is then the proportion of right readings (the device of iMRMC's ``successDFtoROCdf``). Simulated readers are
left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reader_study.analysis.table import StudyTable

MRMCAOV_COLUMNS = ("reader", "treatment", "case", "truth", "rating")
EVERYBODY = 0.5  # what the added case is rated


@dataclass(frozen=True)
class Outcome:
    """One reading: right (1) or wrong (0) at rank 1."""

    reader: str
    arm: str
    case: str
    right: int


def outcomes(table: StudyTable) -> tuple[Outcome, ...]:
    """Every reading of a real reader; of a repeated reading, the first."""
    real = {reader.reader_id for reader in table.readers if not reader.simulated}
    found: dict[tuple[str, str, str], Outcome] = {}
    for read in table.reads:
        if read.reader_id in real:
            key = read.reader_id, read.arm, read.case_id
            found.setdefault(key, Outcome(*key, int(read.hit == 1)))
    return tuple(found.values())


def mrmcaov_rows(read: Sequence[Outcome]) -> Iterator[tuple[str, str, str, int, int]]:
    """Rows of the long table of MRMCaov, to be analysed with its ``binary_sens``."""
    return ((each.reader, each.arm, each.case, 1, each.right) for each in read)


def write_programs(table: StudyTable, directory: Path) -> tuple[Path, ...]:
    """Write ``study.imrmc`` and ``rjafroc.xlsx``; nothing where nothing was read."""
    read = outcomes(table)
    if not read:
        return ()
    numbers = _Numbers(read)
    text = directory / "study.imrmc"
    text.write_text(_imrmc(read, numbers), encoding="utf-8")
    return text, _rjafroc(read, numbers, directory / "rjafroc.xlsx")


class _Numbers:
    """Whole numbers in the place of names, as these programs want them; the added case has the last."""

    def __init__(self, read: Sequence[Outcome]) -> None:
        self.readers = _numbered(each.reader for each in read)
        self.arms = _numbered(each.arm for each in read)
        self.cases = _numbered(each.case for each in read)
        self.added = len(self.cases) + 1


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted(set(names)), 1)}


def _imrmc(read: Sequence[Outcome], numbers: _Numbers) -> str:
    """Description, counts, truth (reader -1), then one line for each rating."""
    cells = sorted({(each.reader, each.arm) for each in read})
    lines = [
        "Right (1) or wrong (0) first diagnoses; one added case without disease is rated 0.5 by everybody.",
        *(f"Reader {number}: {name}" for name, number in numbers.readers.items()),
        *(f"Modality {number}: {name}" for name, number in numbers.arms.items()),
        *(f"Case {number}: {name}" for name, number in numbers.cases.items()),
        "N0: 1",
        f"N1: {len(numbers.cases)}",
        f"NR: {len(numbers.readers)}",
        f"NM: {len(numbers.arms)}",
        "BEGIN DATA:",
        f"-1,{numbers.added},0,0",
        *(f"-1,{number},0,1" for number in numbers.cases.values()),
        *(
            f"{numbers.readers[reader]},{numbers.added},{numbers.arms[arm]},{EVERYBODY}"
            for reader, arm in cells
        ),
        *(
            f"{numbers.readers[each.reader]},{numbers.cases[each.case]},{numbers.arms[each.arm]},{each.right}"
            for each in read
        ),
    ]
    return "\n".join(lines) + "\n"


def _rjafroc(read: Sequence[Outcome], numbers: _Numbers, path: Path) -> Path:
    """The workbook of RJafroc: TRUTH, FP (ratings without disease), TP (with); numbered as for iMRMC."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.worksheets[0])
    truth = book.create_sheet("TRUTH")
    readers = ",".join(str(number) for number in numbers.readers.values())
    arms = ",".join(str(number) for number in numbers.arms.values())
    rows = [(number, 1, 1, readers, arms) for number in numbers.cases.values()]
    rows.append((numbers.added, 0, 0, readers, arms))
    truth.append(("CaseID", "LesionID", "Weight", "ReaderID", "ModalityID", "Paradigm"))
    for row, paradigm in zip(rows, ["ROC", "FCTRL", *[None] * len(rows)], strict=False):
        truth.append((*row, paradigm))
    false = book.create_sheet("FP")
    false.append(("ReaderID", "ModalityID", "CaseID", "FP_Rating"))
    for reader, arm in sorted({(each.reader, each.arm) for each in read}):
        false.append((numbers.readers[reader], numbers.arms[arm], numbers.added, EVERYBODY))
    true = book.create_sheet("TP")
    true.append(("ReaderID", "ModalityID", "CaseID", "LesionID", "TP_Rating"))
    for each in read:
        place = numbers.readers[each.reader], numbers.arms[each.arm], numbers.cases[each.case]
        true.append((*place, 1, each.right))
    book.save(path)
    return path
