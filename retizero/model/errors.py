"""What a user can get wrong about models."""


class ModelError(ValueError):
    """A model cannot be found, read or used; the message says what to change."""
