"""The table of diagnoses: which traits of the eye and which findings make up each of them.

Every pair of numbers is a range from the mildest to the most severe case; one severity is drawn for an eye
and places every finding of it within its range, with some scatter.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from retizero.phantom import blood, deposits, distortion, pigment

Range = tuple[float, float]
Depth = Literal["choroid", "retina", "surface"]


class PhantomError(ValueError):
    """A phantom was asked for that cannot be rendered."""


@dataclass(frozen=True)
class Finding:
    """One kind of lesion: how it is painted, at which depth, how often it is there, and how strong."""

    paint: Callable[..., None]
    depth: Depth
    """``choroid``: under disc and vessels; ``retina``: under the vessels; ``surface``: over them."""
    ranges: Mapping[str, Range]
    chance: float = 1.0


@dataclass(frozen=True)
class Diagnosis:
    """A disease as the phantom knows it."""

    findings: tuple[Finding, ...] = ()
    traits: Mapping[str, Range] = field(default_factory=dict)
    """Ranges of the attributes of ``Eye`` that the disease or its patients bring."""
    haze: Range = (0.0, 0.0)


def _choroid(paint: Callable[..., None], chance: float = 1.0, **ranges: Range) -> Finding:
    return Finding(paint, "choroid", ranges, chance)


def _retina(paint: Callable[..., None], chance: float = 1.0, **ranges: Range) -> Finding:
    return Finding(paint, "retina", ranges, chance)


def _surface(paint: Callable[..., None], chance: float = 1.0, **ranges: Range) -> Finding:
    return Finding(paint, "surface", ranges, chance)


DIAGNOSES: Mapping[str, Diagnosis] = {
    "normal-fundus": Diagnosis(),
    "mild-nonproliferative-diabetic-retinopathy": Diagnosis((_retina(blood.microaneurysms, count=(5, 14)),)),
    "moderate-nonproliferative-diabetic-retinopathy": Diagnosis(
        (
            _retina(blood.microaneurysms, count=(16, 34)),
            _retina(blood.blot_haemorrhages, count=(6, 14), radius=(0.30, 0.42)),
            _retina(deposits.hard_exudates, 0.85, clusters=(1, 4)),
            _surface(deposits.cotton_wool_spots, 0.35, count=(1, 2)),
        ),
    ),
    "severe-nonproliferative-diabetic-retinopathy": Diagnosis(
        (
            _retina(blood.microaneurysms, count=(30, 60)),
            _retina(blood.blot_haemorrhages, count=(32, 62), radius=(0.40, 0.56), reach=(20, 22)),
            _surface(blood.flame_haemorrhages, count=(4, 12), length=(1.3, 1.8), reach=(12, 15)),
            _retina(deposits.hard_exudates, 0.85, clusters=(2, 7)),
            _surface(deposits.cotton_wool_spots, 0.85, count=(2, 6), reach=(11, 14)),
        ),
        {"vein_calibre": (1.1, 1.25), "vein_beading": (0.08, 0.22)},
    ),
    "proliferative-diabetic-retinopathy": Diagnosis(
        (
            _retina(blood.microaneurysms, count=(20, 45)),
            _retina(blood.blot_haemorrhages, count=(14, 34), radius=(0.36, 0.5), reach=(18, 21)),
            _retina(deposits.hard_exudates, 0.6, clusters=(1, 5)),
            _surface(deposits.cotton_wool_spots, 0.4, count=(1, 3)),
            _surface(blood.new_vessels_on_disc, 0.85, size=(2.4, 4.2)),
            _surface(blood.new_vessels_elsewhere, 0.85, count=(1, 4), size=(1.2, 2.0)),
            _surface(deposits.fibrous_membrane, 0.45, size=(3, 8)),
            _surface(blood.preretinal_haemorrhage, 0.65, radius=(2.2, 5.5)),
        ),
        {"vein_calibre": (1.1, 1.3), "vein_beading": (0.05, 0.2)},
        haze=(0.0, 0.12),
    ),
    "panretinal-photocoagulation-scars": Diagnosis(
        (
            _choroid(pigment.laser_scars, spacing=(2.9, 2.0), age=(0.45, 0.9)),
            _retina(blood.microaneurysms, 0.5, count=(3, 12)),
        ),
    ),
    "drusen": Diagnosis((_choroid(deposits.drusen, count=(16, 60), radius=(0.13, 0.19), spread=(4.5, 8.0)),)),
    "dry-age-related-macular-degeneration": Diagnosis(
        (
            _choroid(
                deposits.drusen,
                count=(45, 110),
                radius=(0.24, 0.38),
                spread=(3.8, 5.0),
                softness=(0.10, 0.14),
            ),
            _choroid(deposits.drusen, 0.7, count=(20, 60), radius=(0.12, 0.15), spread=(7.0, 8.0)),
            _choroid(pigment.pigment_clumps, 0.9, count=(4, 14), spread=(2.0, 3.0)),
        ),
        {"age": (0.72, 0.98), "fovea_contrast": (0.7, 0.4)},
    ),
    "neovascular-age-related-macular-degeneration": Diagnosis(
        (
            _choroid(deposits.drusen, 0.8, count=(15, 40), radius=(0.2, 0.3), spread=(5.0, 7.0)),
            _choroid(blood.subretinal_haemorrhage, 0.88, radius=(2.0, 4.6)),
            _choroid(deposits.disciform_scar, 0.8, radius=(1.2, 2.6)),
            _retina(deposits.hard_exudates, 0.6, clusters=(1, 4), each=(18, 30)),
        ),
        {"age": (0.75, 0.98), "fovea_contrast": (0.5, 0.2)},
    ),
    "geographic-atrophy": Diagnosis(
        (
            _choroid(deposits.drusen, 0.7, count=(10, 40), radius=(0.18, 0.28), spread=(6.0, 8.0)),
            _choroid(pigment.geographic_atrophy, radius=(2.2, 5.0)),
            _choroid(pigment.pigment_clumps, 0.5, count=(2, 8), spread=(2.0, 4.0)),
        ),
        {"age": (0.78, 1.0), "fovea_contrast": (0.3, 0.0)},
    ),
    "branch-retinal-vein-occlusion": Diagnosis(
        (
            _surface(blood.vein_territory_haemorrhages, density=(0.55, 1.5), quadrant=(0.0, 1.0)),
            _surface(deposits.cotton_wool_spots, 0.5, count=(1, 4), reach=(12, 14)),
            _retina(deposits.hard_exudates, 0.4, clusters=(1, 3)),
        ),
        {"age": (0.55, 0.9), "nicking": (0.4, 0.9), "arterial_reflex": (0.35, 0.5)},
    ),
    "central-retinal-vein-occlusion": Diagnosis(
        (
            _surface(blood.vein_occlusion_haemorrhages, density=(0.5, 1.7)),
            _surface(deposits.cotton_wool_spots, 0.55, count=(1, 6)),
        ),
        {
            "age": (0.5, 0.9),
            "vein_calibre": (1.3, 1.6),
            "tortuosity": (1.8, 2.6),
            "disc_swelling": (0.15, 0.65),
        },
    ),
    "central-retinal-artery-occlusion": Diagnosis(
        (_retina(deposits.ischaemic_whitening, strength=(0.5, 0.75), radius=(9.0, 11.5)),),
        {
            "age": (0.5, 0.9),
            "artery_calibre": (0.66, 0.45),
            "vein_calibre": (0.9, 0.8),
            "disc_pallor": (0.05, 0.3),
        },
    ),
    "glaucoma": Diagnosis(
        (_retina(pigment.fibre_wedge, 0.7, width=(0.10, 0.22)),),
        {
            "cup_ratio": (0.66, 0.90),
            "disc_pallor": (0.15, 0.5),
            "crescent": (0.2, 1.1),
            "crescent_all_round": (0.1, 0.5),
        },
    ),
    "macular-hole": Diagnosis(
        (_surface(distortion.macular_hole, radius=(0.95, 1.55)),),
        {"age": (0.55, 0.9), "fovea_contrast": (0.6, 0.4)},
    ),
    "epiretinal-membrane": Diagnosis(
        (_surface(distortion.epiretinal_membrane, strength=(0.6, 1.1)),),
        {"age": (0.5, 0.9), "fovea_contrast": (0.8, 0.5)},
    ),
    "central-serous-chorioretinopathy": Diagnosis(
        (_retina(distortion.serous_dome, radius=(2.4, 4.8)),), {"age": (0.3, 0.6)}
    ),
    "retinitis-pigmentosa": Diagnosis(
        (
            _choroid(pigment.peripheral_degeneration, strength=(0.6, 1.1), inner=(12.5, 8.5)),
            _surface(pigment.bone_spicules, count=(60, 150), inner=(13.0, 9.0)),
        ),
        {
            "artery_calibre": (0.66, 0.42),
            "vein_calibre": (0.75, 0.6),
            "disc_pallor": (0.4, 0.75),
            "tessellation": (0.35, 0.7),
        },
    ),
    "pathologic-myopia": Diagnosis(
        (
            _choroid(pigment.patchy_atrophy, 0.75, count=(1, 6), radius=(1.0, 2.1)),
            _choroid(pigment.lacquer_cracks, 0.6, count=(1, 5)),
            _choroid(pigment.pigment_clumps, 0.35, count=(1, 3), spread=(0.8, 1.2)),
        ),
        {
            "tessellation": (0.6, 0.85),
            "pigmentation": (0.55, 0.2),
            "crescent": (1.6, 4.6),
            "crescent_all_round": (0.0, 0.75),
            "disc_tilt": (0.35, 0.85),
            "disc_pallor": (0.1, 0.3),
            "artery_calibre": (0.9, 0.78),
            "vein_calibre": (0.9, 0.8),
        },
    ),
    "hypertensive-retinopathy": Diagnosis(
        (
            _surface(blood.flame_haemorrhages, count=(3, 16), length=(1.0, 1.8), reach=(9.0, 12.0)),
            _surface(deposits.cotton_wool_spots, 0.9, count=(2, 9)),
            _retina(deposits.macular_star, 0.6, strength=(0.4, 1.2)),
            _retina(blood.blot_haemorrhages, 0.4, count=(1, 5)),
        ),
        {
            "age": (0.45, 0.8),
            "artery_calibre": (0.76, 0.55),
            "nicking": (0.6, 1.0),
            "arterial_reflex": (0.45, 0.65),
            "disc_swelling": (0.0, 0.4),
            "vein_calibre": (1.0, 1.15),
        },
    ),
    "rhegmatogenous-retinal-detachment": Diagnosis(
        (_surface(distortion.retinal_detachment, extent=(0.25, 0.75), folds=(0.5, 1.3)),)
    ),
    "papilledema": Diagnosis(
        (
            _surface(blood.flame_haemorrhages, 0.75, count=(2, 9), length=(1.0, 1.4), reach=(5.2, 6.2)),
            _surface(deposits.cotton_wool_spots, 0.5, count=(1, 3), reach=(5.5, 7.0)),
        ),
        {
            "disc_swelling": (0.75, 1.2),
            "cup_ratio": (0.15, 0.05),
            "vein_calibre": (1.15, 1.4),
            "tortuosity": (1.4, 2.1),
        },
    ),
    "optic-atrophy": Diagnosis(
        (),
        {
            "disc_pallor": (0.85, 1.0),
            "artery_calibre": (0.8, 0.6),
            "vein_calibre": (0.92, 0.8),
            "cup_ratio": (0.3, 0.5),
        },
    ),
    "myelinated-retinal-nerve-fibers": Diagnosis(
        (_surface(deposits.myelinated_fibres, length=(3.5, 8.5), patches=(1, 2.4)),)
    ),
    "choroidal-nevus": Diagnosis((_choroid(pigment.choroidal_naevus, radius=(2.1, 4.4)),)),
    "cataract": Diagnosis((), {"age": (0.65, 1.0)}, haze=(0.45, 0.82)),
}
"""The diagnoses by the id they have in the catalogue of diseases."""

LABELS: tuple[str, ...] = tuple(DIAGNOSES)
"""Ids of the diagnoses that can be rendered."""


def diagnosis(label: str) -> Diagnosis:
    """Look up a diagnosis.

    Raises:
        PhantomError: When no diagnosis has this id.
    """
    if label not in DIAGNOSES:
        raise PhantomError(f"There is no phantom of {label!r}; the valid labels are: {', '.join(LABELS)}.")
    return DIAGNOSES[label]
