"""Teaching the demo: one more labelled photograph, and what of it is the classifier."""

import numpy as np

from tests.bench.rows import Row, machine, median_seconds

CLASSES, EACH = 8, 5


def update() -> list[Row]:
    """Remake a classifier of 8 diagnoses, 5 photographs each; then the whole way of one more photograph."""
    from retizero import Engine, phantom
    from retizero.knowledge import LabelSet
    from retizero.serving.few_shot import left_out_answers, prototypes
    from retizero.training.probes.linear import logistic_regression
    from retizero.training.probes.problem import Problem

    engine, rng = Engine.load("retizero-mini", "cpu"), np.random.default_rng(0)
    ids = phantom.LABELS[:CLASSES]
    labels = LabelSet("bench", "1", "", "", tuple(ids), tuple(ids))
    texts, scale = engine.label_embeddings(labels), engine.model.logit_scale
    classes = np.repeat(np.arange(CLASSES), EACH)
    vectors = texts[classes] + 0.5 * rng.normal(size=(len(classes), engine.identity.embed_dim))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    empty = np.zeros((0, vectors.shape[1]))
    problem = Problem(labels, vectors.astype(float), classes, empty, np.zeros(0, np.int64), None, scale)
    photograph = phantom.render(ids[0], seed=1, size=768)

    remake = median_seconds(lambda: prototypes(vectors, classes, texts, CLASSES, scale), 50)
    probe = median_seconds(lambda: logistic_regression(problem, 0.01), 5)
    embed = median_seconds(lambda: engine.examine(photograph), 7)

    def whole() -> None:
        engine.examine(photograph)
        prototypes(vectors, classes, texts, CLASSES, scale)
        left_out_answers(vectors, classes, texts, CLASSES, scale)

    taught = median_seconds(whole, 7)
    return [
        Row(
            "few-shot classifier remade, 8 x 5 photographs", remake * 1000, "ms", "a linear probe refitted",
            remake / probe, "ratio <= 0.5", remake <= 0.5 * probe, machine(),
        ),
        Row(
            "one more photograph taught, with leave-one-out", taught * 1000, "ms", "gate and embedding alone",
            taught / embed, "< 2 s", taught < 2, machine(),
        ),
    ]  # fmt: skip


SUITES = (update,)
