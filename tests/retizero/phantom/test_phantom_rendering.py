"""Phantoms are reproducible photographs in which each disease can be measured."""

from functools import cache

import cv2
import numpy as np
import pytest
from scipy import ndimage

from retizero import phantom

SIZE = 448
SEEDS = (3, 11, 29)


@cache
def picture(label, seed, laterality="right"):
    return phantom.render(label, seed, SIZE, laterality=laterality).astype(np.float32)


def distance_from(label, seed, place):
    """Degrees from the disc or fovea of a right eye, worked out from the documented geometry."""
    eye = phantom.eye_of(label, seed, "right")
    x, y = getattr(eye, place)
    scale = 0.49 * SIZE / eye.half_field
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5 - SIZE / 2
    return np.hypot(columns / scale - x, rows / scale - y)


def mean_over_seeds(measure, label):
    return np.mean([measure(label, seed) for seed in SEEDS])


@pytest.mark.parametrize("label", phantom.LABELS)
def test_every_label_gives_a_round_field_on_black(label):
    image = picture(label, 7)
    assert image.shape == (SIZE, SIZE, 3)
    corner = SIZE // 16
    for part in (
        image[:corner, :corner],
        image[:corner, -corner:],
        image[-corner:, :corner],
        image[-corner:, -corner:],
    ):
        assert part.max() == 0
    lit = ndimage.binary_fill_holes(image.max(axis=2) > 12)
    assert 0.55 < lit.mean() < 0.80
    middle = image[SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4].reshape(-1, 3).mean(axis=0)
    assert middle[0] > middle[1] > middle[2]  # an orange-red fundus


@pytest.mark.parametrize("label", ["normal-fundus", "cataract", "rhegmatogenous-retinal-detachment"])
def test_the_projects_own_detector_finds_the_field_of_view(label):
    data = pytest.importorskip("retizero.data")
    found = data.field_of_view(picture(label, 7).astype(np.uint8))
    assert found.found
    assert found.radius == pytest.approx(0.49 * SIZE, rel=0.05)


def test_the_same_seed_gives_the_same_bytes():
    first, second = (phantom.render("papilledema", 4, 256) for _ in range(2))
    assert first.dtype == np.uint8
    assert first.shape == (256, 256, 3)
    assert first.tobytes() == second.tobytes()


def test_another_seed_gives_another_eye():
    assert np.abs(picture("normal-fundus", 3) - picture("normal-fundus", 11)).mean() > 5


def test_the_labels_are_unique_and_all_render_differently_for_one_seed():
    assert len(set(phantom.LABELS)) == len(phantom.LABELS) >= 20
    seen = {picture(label, 7).tobytes() for label in phantom.LABELS}
    assert len(seen) == len(phantom.LABELS)


def test_an_unknown_label_is_answered_with_the_valid_ones():
    with pytest.raises(phantom.PhantomError, match=r"'gout'.*normal-fundus.*cataract"):
        phantom.render("gout", 1)


@pytest.mark.parametrize(("seed", "size"), [(-1, 512), (1, 8), (1, 20_000)])
def test_a_seed_or_size_out_of_range_is_refused(seed, size):
    with pytest.raises(phantom.PhantomError):
        phantom.render("normal-fundus", seed, size)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_disc_is_on_the_right_in_a_right_eye_and_on_the_left_in_a_left_eye(seed):
    for laterality, side in (("right", 1), ("left", -1)):
        if phantom.eye_of("normal-fundus", seed, laterality).disc[0] < 6:
            continue  # photographed with the disc in the middle
        green = cv2.GaussianBlur(picture("normal-fundus", seed, laterality)[..., 1], (0, 0), SIZE / 80)
        local = green - cv2.GaussianBlur(green, (0, 0), SIZE / 16)
        rows, columns = np.mgrid[:SIZE, :SIZE] - SIZE / 2
        local[np.hypot(rows, columns) > 0.38 * SIZE] = 0
        assert columns.flat[local.argmax()] * side > 0


def red_spots(label, seed):
    """Pixels of small, compact dark spots in the green channel; long vessels do not count."""
    green = picture(label, seed)[..., 1]
    dark = cv2.medianBlur(green.astype(np.uint8), 31).astype(np.float32) - green > 14
    parts, count = ndimage.label(dark)
    spots = 0
    for part in ndimage.find_objects(parts, count):
        area = int(dark[part].sum())
        if 5 <= area <= 600 and area / dark[part].size > 0.45 and max(dark[part].shape) < 34:
            spots += area
    return spots


def test_diabetic_retinopathy_has_more_red_spots_at_each_higher_grade():
    grades = [
        mean_over_seeds(red_spots, f"{grade}-nonproliferative-diabetic-retinopathy")
        for grade in ("mild", "moderate", "severe")
    ]
    assert mean_over_seeds(red_spots, "normal-fundus") < grades[0] < grades[1] < grades[2]
    assert grades[2] > 3 * grades[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_arterial_occlusion_pales_the_pole_around_a_redder_fovea(seed):
    label = "central-retinal-artery-occlusion"
    fovea, ring = (
        distance_from(label, seed, "fovea") < 0.6,
        np.abs(distance_from(label, seed, "fovea") - 3.2) < 0.5,
    )
    healthy, occluded = picture("normal-fundus", seed), picture(label, seed)

    def redness(image, where):
        return image[where][:, 0].mean() / image[where][:, 1].mean()

    assert occluded[ring][:, 1].mean() > 1.15 * healthy[ring][:, 1].mean()
    assert redness(occluded, fovea) > 1.25 * redness(occluded, ring)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_pale_cup_fills_more_of_the_disc_in_glaucoma(seed):
    def pale_share(label):
        eye = phantom.eye_of(label, seed, "right")
        away = distance_from(label, seed, "disc")
        image = picture(label, seed)
        blue = image[..., 2] / np.maximum(image[..., 0], 1)
        rim_of_healthy = picture("normal-fundus", seed)[np.abs(away - 0.75 * eye.disc_radius) < 0.2]
        rim = np.median(rim_of_healthy[:, 2] / rim_of_healthy[:, 0])
        return (blue[away < 0.9 * eye.disc_radius] > 1.15 * rim).mean()

    assert phantom.eye_of("glaucoma", seed).cup_ratio > 0.6 > phantom.eye_of("normal-fundus", seed).cup_ratio
    assert pale_share("glaucoma") > 1.5 * pale_share("normal-fundus")


@pytest.mark.parametrize("label", ["drusen", "dry-age-related-macular-degeneration"])
def test_drusen_are_bright_spots_around_the_fovea(label):
    def bright_spots(of, seed):
        green = picture(of, seed)[..., 1]
        hat = cv2.morphologyEx(
            green, cv2.MORPH_TOPHAT, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11))
        )
        return (hat[distance_from(of, seed, "fovea") < 5] > 16).sum()

    assert mean_over_seeds(bright_spots, label) > 4 * mean_over_seeds(bright_spots, "normal-fundus") + 10


@pytest.mark.parametrize("seed", SEEDS)
def test_cataract_takes_the_detail_away(seed):
    def detail(label):
        green = cv2.GaussianBlur(picture(label, seed)[..., 1], (0, 0), 1.5)
        inside = distance_from(label, seed, "fovea") < 8
        return (green - cv2.GaussianBlur(green, (0, 0), 5))[inside].std()

    assert detail("cataract") < 0.6 * detail("normal-fundus")


@pytest.mark.parametrize("seed", SEEDS)
def test_optic_atrophy_takes_the_colour_out_of_the_disc(seed):
    def colour(label):
        disc = picture(label, seed)[distance_from(label, seed, "disc") < 2.4]
        return 1 - disc[:, 2].mean() / disc[:, 0].mean()

    assert colour("optic-atrophy") < 0.9 * colour("normal-fundus")


def test_arteries_are_narrower_in_retinitis_pigmentosa_and_veins_wider_in_vein_occlusion():
    for seed in SEEDS:
        healthy = phantom.eye_of("normal-fundus", seed)
        assert phantom.eye_of("retinitis-pigmentosa", seed).artery_calibre < 0.8 * healthy.artery_calibre
        assert (
            phantom.eye_of("central-retinal-vein-occlusion", seed).vein_calibre > 1.1 * healthy.vein_calibre
        )


def test_the_two_eyes_of_a_patient_share_the_patient_but_not_the_vessels():
    right, left = (phantom.eye_of("normal-fundus", 3, side) for side in ("right", "left"))
    assert (right.age, right.pigmentation, right.disc_radius) == (
        left.age,
        left.pigmentation,
        left.disc_radius,
    )
    mirrored = picture("normal-fundus", 3, "left")[:, ::-1]
    assert np.abs(picture("normal-fundus", 3) - mirrored).mean() > 4
