"""What every recipe raises."""


class ConfigError(ValueError):
    """A training configuration cannot be used; the message says what to change."""
