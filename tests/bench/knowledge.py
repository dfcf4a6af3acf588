"""Lookup of diagnoses."""

from tests.bench.rows import Row, machine, median_seconds


def lookup() -> list[Row]:
    """One diagnosis looked up by name, synonym, misspelling and in Chinese."""
    from retizero.knowledge import load_catalogue

    catalogue = load_catalogue()
    typed = [
        "CRVO",
        "central retinal vien occlusion",
        "papilloedema",
        "视网膜中央静脉阻塞",
        "florbular retinosis",
    ]
    seconds = median_seconds(lambda: [catalogue.resolve(text) for text in typed], 50) / len(typed)
    name = "catalogue lookup, mean of five kinds"
    return [Row(name, seconds * 1000, "ms", "", None, "< 2 ms", seconds < 0.002, machine())]


SUITES = (lookup,)
