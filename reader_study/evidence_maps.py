"""Evidence maps of a model as files: one PNG for each rank of each case that has one."""

from collections.abc import Collection
from pathlib import Path

from reader_study.errors import DesignError
from reader_study.states import CaseEvidence

PNG = b"\x89PNG\r\n\x1a\n"


def read_maps(folder: Path, case_ids: Collection[str]) -> dict[str, CaseEvidence]:
    """Read ``CASE_ID.png`` (rank 1) and ``CASE_ID.RANK.png`` for the cases that have a prediction.

    Raises:
        DesignError: the folder is not there, a file is no PNG, or names no case.
    """
    if not folder.is_dir():
        raise DesignError(f"There is no folder {folder}.")
    found: dict[str, dict[int, bytes]] = {}
    problems = []
    for path in sorted(folder.glob("*.png")):
        case_id, _, rank = path.stem.rpartition(".")
        if path.stem in case_ids or not (case_id and rank.isdecimal()):
            case_id, rank = path.stem, "1"
        content = path.read_bytes()
        if case_id not in case_ids:
            problems.append(f"{path.name}: names no case of the predictions.")
        elif not content.startswith(PNG):
            problems.append(f"{path.name}: is no PNG.")
        else:
            found.setdefault(case_id, {})[int(rank)] = content
    if problems:
        raise DesignError(f"The evidence maps in {folder} cannot be used.", problems)
    return {case_id: CaseEvidence(maps) for case_id, maps in found.items()}
