"""The circle of the fundus is found where there is one."""

import cv2
import numpy as np
import pytest
import skimage.data

from retizero.data import crop_to_field, field_of_view, read_image, read_manifest


def disc(width=900, height=700, centre=(450, 350), radius=300, background=(0, 0, 0), shade=True):
    """A round field with vignetting, vessels and noise at a known place."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(columns - centre[0], rows - centre[1]) / radius
    falloff = (1 - 0.5 * distance**2) if shade else np.ones_like(distance)
    retina = np.clip(falloff, 0, 1)[..., None] * np.array([190, 90, 40])
    image = np.where((distance <= 1)[..., None], retina, np.array(background))
    noise = np.random.default_rng(0).normal(0, 1.5, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def assert_near(field, centre, radius, tolerance):
    assert field.found
    assert abs(field.center_x - centre[0]) < tolerance
    assert abs(field.center_y - centre[1]) < tolerance
    assert abs(field.radius - radius) < tolerance


@pytest.mark.parametrize(
    ("centre", "radius", "background"),
    [((450, 350), 300, (0, 0, 0)), ((430, 360), 250, (12, 9, 8)), ((450, 350), 300, (60, 60, 60))],
)
def test_a_disc_is_found_to_within_one_percent(centre, radius, background):
    field = field_of_view(disc(centre=centre, radius=radius, background=background))
    assert_near(field, centre, radius, 0.012 * radius)
    assert field.coverage == pytest.approx(np.pi * radius**2 / (900 * 700), rel=0.03)
    assert field.squeeze == 1.0


def test_a_cut_top_and_bottom_do_not_move_the_circle():
    assert_near(field_of_view(disc(height=480, centre=(450, 240))), (450, 240), 300, 5)


def test_labels_in_the_corners_and_the_notch_do_not_move_the_circle():
    image = disc()
    cv2.putText(image, "OD 2021-03-04", (5, 40), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255), 2)
    cv2.fillPoly(image, [np.array([[650, 120], [690, 150], [700, 110]])], (180, 90, 40))
    image[-60:, -60:] = 255
    assert_near(field_of_view(image), (450, 350), 300, 5)


def test_a_dark_side_does_not_move_the_circle():
    image = disc().astype(float)
    image *= np.clip(np.linspace(0.05, 1.5, 900), 0, 1)[None, :, None]
    assert_near(field_of_view(image.astype(np.uint8)), (450, 350), 300, 8)


def test_a_squeezed_field_is_found_and_made_round_again():
    squeezed = cv2.resize(
        disc(width=900, height=640, centre=(450, 320)), (600, 640), interpolation=cv2.INTER_AREA
    )
    field = field_of_view(squeezed)
    assert field.squeeze == pytest.approx(1.5, rel=0.02)
    assert field.radius_x == pytest.approx(200, abs=4)
    assert field.radius_y == pytest.approx(300, abs=5)
    square = crop_to_field(squeezed)
    assert square.shape[0] == square.shape[1]
    assert abs(field_of_view(square).squeeze - 1) < 0.03


def test_a_white_page_around_the_black_border_is_not_the_field():
    page = np.full((900, 1100, 3), 255, np.uint8)
    page[100:800, 100:1000] = disc()
    assert_near(field_of_view(page), (550, 450), 300, 6)


@pytest.mark.parametrize(
    "name", ["astronaut", "coffee", "chelsea", "camera", "coins", "moon", "page", "brick", "rocket"]
)
def test_no_field_is_found_in_ordinary_pictures(name):
    image = getattr(skimage.data, name)()
    rgb = np.ascontiguousarray(image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2))
    field = field_of_view(rgb)
    assert not field.found
    assert field.coverage == 1.0


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_picture_has_no_field(value):
    assert not field_of_view(np.full((300, 400, 3), value, np.uint8)).found


def test_noise_has_no_field():
    assert not field_of_view(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)).found


def test_the_crop_is_a_square_with_the_field_touching_its_sides():
    square = crop_to_field(disc(height=480, centre=(450, 240)))
    assert square.shape[0] == square.shape[1]
    assert square.shape[0] == pytest.approx(600, abs=10)
    assert square[0].max() == 0  # beyond the cut


def test_a_picture_without_a_field_is_padded_not_distorted():
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    square = crop_to_field(image)
    assert square.shape == (400, 400, 3)
    np.testing.assert_array_equal(square[50:350], image)


def test_the_field_is_found_in_real_photographs_of_every_source(shared):
    manifest = read_manifest(shared / "fundus/metadata.csv")
    # Horizontal radius as a fraction of the picture's width, measured by hand on a few photographs of each
    # source.
    expected = {
        "IDRiD": 0.40,
        "JSIEC-1000": 0.50,
        "SRahimDR": 0.395,
        "retina_dataset": 0.32,
        "ORIGA-light": 0.41,
    }
    for source in sorted({row.source for row in manifest}):
        for row in manifest.where(source=source).rows[:4]:
            image = read_image(row.image)
            field = field_of_view(image)
            assert field.found, row.name
            if source in expected:
                assert field.radius_x / image.shape[1] == pytest.approx(expected[source], abs=0.05)
