"""What a user can get wrong about galleries."""


class GalleryError(ValueError):
    """A gallery cannot be opened, changed or asked; the message says what to change."""
