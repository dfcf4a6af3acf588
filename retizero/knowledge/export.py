"""The catalogue as JSON, as a table, and in numbers."""

import csv
import io
from dataclasses import asdict, fields
from typing import Any

from retizero.knowledge.catalogue import Catalogue
from retizero.knowledge.entries import Disease
from retizero.knowledge.label_sets import label_set, label_sets


def statistics(catalogue: Catalogue) -> dict[str, Any]:
    """Counts: ``synonyms`` includes abbreviations and Chinese terms, ``prompts`` are the descriptions."""
    return {
        "diseases": len(catalogue),
        "synonyms": sum(disease.synonym_count for disease in catalogue.diseases),
        "prompts": sum(len(disease.descriptions) for disease in catalogue.diseases),
        "look_alikes": sum(len(disease.look_alikes) for disease in catalogue.diseases),
        "signs": len(catalogue.signs),
        "reviewed": sum(disease.reviewed for disease in catalogue.diseases),
        "version": catalogue.version,
        "groups": catalogue.groups,
        "label_sets": {name: len(label_set(name, catalogue)) for name in label_sets()},
    }


def to_record(disease: Disease) -> dict[str, Any]:
    """One entry as plain JSON types."""
    return asdict(disease)


def to_csv(catalogue: Catalogue) -> str:
    """One row an entry; lists are joined by ``; ``, look-alikes written as ``id: difference``."""
    out = io.StringIO()
    columns = [field.name for field in fields(Disease)]
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    for disease in catalogue.diseases:
        row = to_record(disease)
        row["look_alikes"] = [f"{item.id}: {item.difference}" for item in disease.look_alikes]
        writer.writerow(
            {
                name: "; ".join(value) if isinstance(value, list | tuple) else value
                for name, value in row.items()
            }
        )
    return out.getvalue()
