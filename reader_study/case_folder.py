"""Cases from a folder of photographs: one folder a diagnosis, or all in one for a panel to judge."""

from pathlib import Path

from reader_study.case_list import StudyCase, check_cases, truth_named
from reader_study.errors import DesignError
from retizero.knowledge import LabelSet, load_catalogue

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom")
"""DICOM files often have no ending at all: files without one are taken too."""


def cases_from_folder(folder: Path, labels: LabelSet, *, truth_needed: bool = True) -> tuple[StudyCase, ...]:
    """Take every photograph below a folder as a case, numbered C0001, C0002, ... in the order of their paths.

    The folder that a photograph lies in names its diagnosis (any name or synonym of the catalogue, ``_`` for
    spaces); where a panel votes for the reference standard, folders mean nothing.

    Raises:
        DesignError: there are no photographs, or a folder's name is no diagnosis.
    """
    if not folder.is_dir():
        raise DesignError(f"There is no folder {folder}.")
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.suffix.casefold() in (*IMAGE_ENDINGS, "")
    )
    if not files:
        raise DesignError(f"The folder {folder} holds no photographs ({', '.join(IMAGE_ENDINGS)}).")
    catalogue = load_catalogue()
    known: dict[str, str | None] = {}
    cases, problems = [], []
    for number, path in enumerate(files, 1):
        truths: tuple[str, ...] = ()
        if truth_needed:
            name = path.parent.name if path.parent != folder else ""
            if name not in known:
                plain = name.replace("_", " ").strip()
                known[name] = (
                    truth_named(name, catalogue, labels) or truth_named(plain, catalogue, labels)
                    if name
                    else None
                )
                if known[name] is None:
                    problems.append(
                        f"folder {name!r}: is no diagnosis of the catalogue."
                        if name
                        else f"{path.name}: lies in no folder that names its diagnosis."
                    )
            found = known[name]
            truths = (found,) if found else ()
        cases.append(StudyCase(f"C{number:04}", path, truths, established_by="folder"))
    if problems:
        raise DesignError(f"The folder {folder} cannot be used.", problems)
    check_cases(cases, [str(path.relative_to(folder)) for path in files], truth_needed=truth_needed)
    return tuple(cases)
