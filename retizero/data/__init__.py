"""Photographs and manifests: reading, finding the field of view, preprocessing."""

from retizero.data.errors import ImageReadError, ManifestError
from retizero.data.field_of_view import FieldOfView, crop_to_field, field_of_view
from retizero.data.manifest import Manifest, ManifestRow, read_manifest
from retizero.data.preprocess import Preprocess
from retizero.data.reading import read_image

__all__ = [
    "FieldOfView",
    "ImageReadError",
    "Manifest",
    "ManifestError",
    "ManifestRow",
    "Preprocess",
    "crop_to_field",
    "field_of_view",
    "read_image",
    "read_manifest",
]
