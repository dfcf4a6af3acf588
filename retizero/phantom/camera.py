"""The camera: illumination, media, colour, focus, sensor noise, compression and the mask of the field."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from retizero.phantom.canvas import FIELD_RADIUS, Array, Canvas, smoothstep


@dataclass(frozen=True)
class Camera:
    """How one photograph was taken."""

    exposure: float
    cast: tuple[float, float, float]
    gamma: float
    falloff: float
    light: tuple[float, float]
    """Where the illumination is centred, fractions of the field's radius."""
    flare: float
    flare_side: float
    """Direction of the crescent of stray light at the rim, radians."""
    focus: float
    """Blur in pixels of a 512-pixel picture."""
    noise: float
    quality: int
    cut: float
    """Half height of the picture as a fraction of the radius; 1 is a whole circle."""
    notch: bool


def draw_camera(patient: np.random.Generator, shot: np.random.Generator) -> Camera:
    """Draw a camera: the model (colour, mask) belongs to the patient's visit, the rest to the shot."""
    casts = (
        (1.0, 1.0, 1.0),
        (1.04, 0.97, 0.82),
        (0.94, 1.02, 0.80),
        (1.0, 0.94, 1.12),
        (1.02, 1.0, 1.08),
        (1.04, 0.90, 0.78),
    )
    cast = np.array(casts[patient.integers(len(casts))]) * patient.normal(1, 0.03, 3)
    whole = patient.random() < 0.55
    return Camera(
        exposure=float(np.clip(patient.normal(1.03, 0.12) * shot.normal(1, 0.04), 0.72, 1.35)),
        cast=(float(cast[0]), float(cast[1]), float(cast[2])),
        gamma=float(patient.uniform(0.92, 1.15)),
        falloff=float(patient.uniform(0.30, 0.62)),
        light=(float(shot.normal(0, 0.14)), float(shot.normal(0, 0.12))),
        flare=float(max(0.0, shot.normal(0.0, 0.42))),
        flare_side=float(shot.choice([0.0, np.pi]) + shot.normal(0, 0.5)),
        focus=float(0.45 + 0.5 * shot.beta(1.5, 3)),
        noise=float(patient.uniform(0.004, 0.013)),
        quality=int(patient.integers(80, 96)),
        cut=1.0 if whole else float(patient.uniform(0.80, 0.92)),
        notch=bool(patient.random() < 0.35),
    )


def photograph(
    canvas: Canvas, camera: Camera, rng: np.random.Generator, haze: float = 0.0, haze_blur: float = 0.0
) -> npt.NDArray[np.uint8]:
    """Take the picture, (S, S, 3) uint8 RGB, black outside the field; ``haze`` is lens opacity, 0 to 1."""
    size = canvas.size
    scale = size / 512
    u, v = (
        canvas.x * np.float32(canvas.scale / (FIELD_RADIUS * size)),
        canvas.y * np.float32(canvas.scale / (FIELD_RADIUS * size)),
    )
    radius = np.hypot(u, v)
    image = canvas.colour
    focus = camera.focus * scale + haze_blur * scale
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), max(focus, 0.25)), np.float32)

    off_axis = np.hypot(u - camera.light[0], v - camera.light[1])
    light = (1.10 - np.float32(camera.falloff) * off_axis**2) * np.float32(camera.exposure)
    image = image * np.clip(light, 0.08, 2)[..., None]
    if haze:
        image = _through_haze(canvas, image, rng, haze)
    image = image * np.array(camera.cast, np.float32)
    image = image + _flare(camera, u, v, radius)[..., None] * np.array([0.80, 0.80, 0.52], np.float32)
    image = 1 - np.exp(
        -np.clip(image, 0, None) * 1.0
    )  # the shoulder of the film: highlights do not clip hard
    image = np.clip(image / (1 - np.exp(-1.0)), 0, 1) ** np.float32(camera.gamma)

    noise = rng.normal(0, camera.noise, image.shape).astype(np.float32)
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.55 * max(scale, 1.0)), np.float32) * np.float32(1.6)
    image = image + noise
    edge = np.float32(1.2 / (FIELD_RADIUS * size))
    mask = _field(camera, u, v, radius, float(edge))
    pixels = np.clip(image * mask[..., None] * 255 + 0.5, 0, 255).astype(np.uint8)
    done, coded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, camera.quality])
    if done:
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        pixels = np.ascontiguousarray(np.asarray(decoded, np.uint8)[..., ::-1])
    pixels[mask < 0.004] = 0
    return np.asarray(pixels, np.uint8)


def _through_haze(canvas: Canvas, image: Array, rng: np.random.Generator, haze: float) -> Array:
    """A cloudy lens scatters: the picture loses contrast and colour towards a veil of its mean light."""
    veil = np.clip(1 + 0.22 * canvas.noise(rng, 14, 2), 0.5, 1.4)
    mean = image.mean(axis=(0, 1))
    grey = np.float32(0.45) * mean + np.float32(0.55) * mean.mean() * np.array([1.22, 1.02, 0.70], np.float32)
    amount = np.clip(np.float32(haze) * veil, 0, 0.93)[..., None]
    hazy = image * (1 - amount) + grey * amount * np.float32(1.05)
    return np.asarray(hazy, np.float32)


def _flare(camera: Camera, u: Array, v: Array, radius: Array) -> Array:
    """Light from the edge of the pupil: a crescent along one side of the rim."""
    if camera.flare < 0.05:
        return np.zeros_like(radius)
    side = (u * np.float32(np.cos(camera.flare_side)) + v * np.float32(np.sin(camera.flare_side))) / (
        radius + 1e-3
    )
    width = 0.13 + 0.10 * camera.flare
    rim = np.exp(-(((1.0 - radius) / width) ** 2)) * smoothstep(0.1, 0.95, side)
    return np.asarray(rim * np.float32(min(0.55, camera.flare) * 0.62), np.float32)


def _field(camera: Camera, u: Array, v: Array, radius: Array, edge: float) -> Array:
    """The mask of the field of view: a circle, perhaps cut above and below, perhaps with a notch."""
    mask = smoothstep(1 + edge, 1 - edge, radius)
    if camera.notch:
        tab = smoothstep(0.06, 0.05, np.hypot(u - np.float32(0.725), v + np.float32(0.69)))
        mask = np.maximum(mask, tab)
    if camera.cut < 1:
        mask = mask * smoothstep(camera.cut + edge, camera.cut - edge, np.abs(v))
    return mask.astype(np.float32)
