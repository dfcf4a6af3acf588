"""What a user can get wrong about an evaluation."""


class EvaluationError(ValueError):
    """An evaluation has nothing to measure; the message says what to change."""
