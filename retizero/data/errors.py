"""What a user can get wrong when handing over pictures and manifests."""


class ImageReadError(ValueError):
    """A file is not a photograph that can be read; the message is one sentence that says why."""


class ManifestError(ValueError):
    """A manifest cannot be used at all; the message is one sentence that says what to change."""
