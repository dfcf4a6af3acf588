"""Render one phantom: draw the eye, paint it from the choroid up, photograph it."""

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from retizero.phantom.camera import draw_camera, photograph
from retizero.phantom.canvas import Canvas
from retizero.phantom.diagnoses import Depth, Diagnosis, PhantomError, Range, diagnosis
from retizero.phantom.disc import paint_disc, paint_swelling
from retizero.phantom.eye import Eye, Laterality, draw_eye, stream, with_traits
from retizero.phantom.fundus import Fundus, paint_choroid, paint_macula, paint_nerve_fibres, paint_vessels
from retizero.phantom.vessels import grow_vessels

_FINEST = 448  # pixels; smaller pictures are rendered at this size and averaged down


def render(
    label: str, seed: int, size: int = 512, *, laterality: Laterality | None = None
) -> npt.NDArray[np.uint8]:
    """Render a synthetic fundus photograph.

    The seed is the patient: the same seed with another label gives the same eye with another disease, and
    with another ``laterality`` the fellow eye. The same arguments always give the same array.

    Args:
        label: Id of a diagnosis, one of ``LABELS``.
        seed: Number of the patient, 0 or above.
        size: Side in pixels, 64 to 2048.
        laterality: Which eye; drawn from the seed when left out.

    Returns:
        (size, size, 3) uint8 RGB, black outside the field of view.

    Raises:
        PhantomError: When the label is not known, or seed or size are out of range.
    """
    found = diagnosis(label)
    if not 64 <= size <= 2048:
        raise PhantomError(f"The size of a phantom is 64 to 2048 pixels, not {size}.")
    if seed < 0:
        raise PhantomError(f"The seed of a phantom is 0 or above, not {seed}.")
    eye = eye_of(label, seed, laterality)
    side = eye.laterality
    severity = _severity(seed, label, side)
    canvas = Canvas(max(size, _FINEST), eye.half_field)
    fundus = Fundus(canvas, eye, grow_vessels(eye, stream(seed, "vessels", side)))

    def draw(name: str) -> np.random.Generator:
        return stream(seed, name, side)

    def findings(depth: Depth) -> None:
        for k, finding in enumerate(found.findings):
            own = stream(seed, "finding", label, str(k), side)
            present = own.random() < finding.chance
            if finding.depth == depth and present:
                finding.paint(fundus, own, **_values(finding.ranges, severity, own))

    paint_choroid(fundus, draw("choroid"))
    paint_macula(fundus, draw("macula"))
    findings("choroid")
    paint_nerve_fibres(fundus, draw("nerve fibres"))
    findings("retina")
    paint_disc(fundus, draw("disc"))
    paint_vessels(fundus, draw("blood"))
    paint_swelling(fundus, draw("swelling"))
    findings("surface")

    if side == "left":
        canvas.colour = np.ascontiguousarray(canvas.colour[:, ::-1])
    haze = _between(found.haze, severity)
    camera = draw_camera(stream(seed, "camera"), draw("shot"))
    pixels = photograph(canvas, camera, draw("film"), haze, haze_blur=3.2 * haze)
    if canvas.size != size:
        pixels = np.asarray(cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
    return pixels


def eye_of(label: str, seed: int, laterality: Laterality | None = None) -> Eye:
    """The eye that ``render`` photographs, as a right eye: positions in degrees, cup ratio and the like."""
    healthy = draw_eye(seed, laterality)
    found: Diagnosis = diagnosis(label)
    own = stream(seed, "traits", label, healthy.laterality)
    severity = _severity(seed, label, healthy.laterality)
    return with_traits(healthy, _values(found.traits, severity, own))


def _severity(seed: int, label: str, laterality: Laterality) -> float:
    """0 mildest to 1 most severe; the two eyes of a patient are alike but not equal."""
    patient = stream(seed, "severity", label).uniform(0, 1)
    return float(np.clip(patient + stream(seed, "severity", label, laterality).normal(0, 0.12), 0, 1))


def _values(ranges: Mapping[str, Range], severity: float, rng: np.random.Generator) -> dict[str, float]:
    return {name: _between(pair, severity + rng.normal(0, 0.15)) for name, pair in ranges.items()}


def _between(pair: Range, severity: float) -> float:
    return float(pair[0] + (pair[1] - pair[0]) * np.clip(severity, 0, 1))
