"""The mistakes a user or an editor of the catalogue can make, each reported as one sentence."""


class KnowledgeError(ValueError):
    """Anything that is wrong with a question to the catalogue or with its files."""


class CatalogueError(KnowledgeError):
    """A catalogue file cannot be read."""


class UnknownDisease(KnowledgeError):
    """No entry of the catalogue has this id."""


class UnknownLabelSet(KnowledgeError):
    """No label set has this name."""


class LabelError(KnowledgeError):
    """A list of labels cannot be used as a label set."""


class PromptError(KnowledgeError):
    """A prompt cannot be built as asked."""


class ReviewError(KnowledgeError):
    """An entry cannot be signed off as asked."""
