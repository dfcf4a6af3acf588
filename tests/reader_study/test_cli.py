import io
import json

import pytest

from reader_study import aid, cli, conduct, invitations
from reader_study.accounts import find_user
from reader_study.conduct import Answer
from reader_study.database import Database


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs a command on a database of its own: exit status, standard output, standard error."""
    url = f"sqlite:///{tmp_path / 'cli.db'}"

    def run(*arguments, stdin=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        status = cli.main(["--database", url, *map(str, arguments)])
        return (status, *capsys.readouterr())

    run.url = url
    return run


@pytest.fixture
def files(tmp_path):
    for index in range(3):
        (tmp_path / f"{index}.png").write_bytes(bytes([index + 1]))
    (tmp_path / "cases.csv").write_text(
        "case_id,image,truth,rare\nC1,0.png,glaucoma,0\nC2,1.png,CRVO,0\nC3,2.png,drusen,1\n"
    )
    (tmp_path / "pilot.yaml").write_text("title: Pilot\nlabel_set: demo14\nseed: 3\n")
    (tmp_path / "model.csv").write_text(
        "case_id,rank1,rank2,score1,score2\nC1,glaucoma,drusen,.6,.2\nC2,drusen,CRVO,.5,.4\nC3,glaucoma,CRVO,.4,.3\n"
    )
    (tmp_path / "identity.json").write_text('{"id": "m"}')
    return tmp_path


def test_a_study_goes_from_nothing_to_a_report_without_a_browser(command, files):
    def ok(*arguments, **options):
        status, out, err = command(*arguments, "--json", **options)
        assert status == 0, err
        return json.loads(out)

    assert ok("init")["schema"] == "0002"
    assert (
        ok("user", "add", "ana", "--site", "SG", "--password-stdin", stdin="long enough\n")["role"]
        == "reader"
    )
    ok("user", "add", "boss", "--role", "manager", "--password-stdin", stdin="long enough\n")
    assert [user["username"] for user in ok("user", "list")] == ["ana", "boss"]
    created = ok("study", "create", "--config", files / "pilot.yaml", "--cases", files / "cases.csv")
    assert (created["name"], created["state"], created["cases"]) == ("pilot", "draft", 3)
    ok("import", "pilot", "--model", files / "model.csv", "--identity", files / "identity.json")
    assert ok("allocate", "pilot")["allocated"] == 1
    assert ok("study", "open", "pilot")["model"] == {"id": "m"}
    database = Database(command.url)
    ana = find_user(database, "ana")
    while (reading := conduct.next_reading(database, ana.id)) is not None:
        conduct.submit(database, ana.id, reading.token, Answer(("glaucoma",), 3))
    database.close()
    assert ok("study", "status", "pilot")["readings"] == 3
    for step, state in [("lock", "locked"), ("unblind", "unblinded"), ("archive", "archived")]:
        assert ok("study", step, "pilot")["state"] == state
    assert len(ok("study", "list")) == 1
    written = ok("export", "pilot", "--out", files / "out")["files"]
    assert [path.rsplit("/", 1)[1] for path in written][:4] == [
        "cases.csv",
        "readers.csv",
        "reads.csv",
        "model.csv",
    ]
    sources = [
        item
        for name in ("cases", "readers", "reads", "model")
        for item in (f"--{name}", files / "out" / f"{name}.csv")
    ]
    read = ("--html", files / "report.html", "--markdown", files / "report.md")
    ok("analyse", *sources, "--out", files / "report.json", *read, "--resamples", 200)
    assert "Top-1" in (files / "report.md").read_text()
    assert (files / "report.html").read_text().startswith("<!doctype html>")
    told = json.loads((files / "report.json").read_text())
    assert told["model"]["top1"]["x"] == 1
    assert told["readers"][0]["x"] == 1
    assert ok("verify")["intact"] is True
    assert ok("backup", files / "copy.db")["bytes"] > 0
    assert ok("user", "disable", "ana")["active"] is False


def test_opening_without_predictions_is_said(command, files):
    command("study", "create", "--config", files / "pilot.yaml", "--cases", files / "cases.csv")
    status, _, err = command("study", "open", "pilot")
    assert status == 0
    assert "without predictions" in err


@pytest.mark.parametrize(
    ("arguments", "stdin", "sentence"),
    [
        (["user", "list"], "", "init"),
        (["study", "status", "ghost"], "", "init"),
        (["user", "add", "ana", "--password-stdin"], "short\n", "8 to 256"),
        (["user", "add", "ana", "--password-stdin", "--role", "king"], "long enough\n", "not a role"),
        (["user", "add", "ana"], "", "--password-stdin"),
        (["study", "create", "--config", "none.yaml", "--cases", "none.csv"], "", "cannot be read"),
        (["study", "dance"], "", "dance"),
        (["analyse", "--cases", "a", "--readers", "b", "--reads", "c", "--out", "d"], "", "cannot be read"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_exit_status_two(command, arguments, stdin, sentence):
    status, out, err = command(*arguments, stdin=stdin)
    assert status == 2
    assert sentence in err
    assert out == ""
    assert "Traceback" not in err


def test_verify_tells_a_changed_byte_and_exits_with_two(command, files):
    import sqlite3
    from contextlib import closing

    command("study", "create", "--config", files / "pilot.yaml", "--cases", files / "cases.csv")
    with closing(sqlite3.connect(command.url.removeprefix("sqlite:///"), isolation_level=None)) as shell:
        shell.execute("DROP TRIGGER reference_standard_refuse_update")
        shell.execute("UPDATE reference_standard SET diagnosis = 'glaucomb' WHERE case_id = 1")
    status, out, err = command("verify", "--json")
    assert (status, json.loads(out)["intact"]) == (2, False)
    assert "cases of pilot was changed" in err


def test_help_lists_what_there_is(command):
    status, out, _ = command("--help")
    assert status == 0
    for name in (
        "init",
        "user",
        "study",
        "import",
        "export",
        "allocate",
        "simulate",
        "analyse",
        "mrmc",
        "power",
        "verify",
        "backup",
        "restore",
        "site",
    ):
        assert name in out


def test_simulated_readers_read_synthetic_studies_only(command, files):
    command("study", "create", "--config", files / "pilot.yaml", "--cases", files / "cases.csv")
    command("study", "open", "pilot")
    status, out, err = command("simulate", "pilot", "--readers", 2)
    assert (status, out) == (2, "")
    assert "real cases" in err


def test_a_crossover_with_evidence_maps_goes_to_a_site_and_back(command, files, monkeypatch, capsys):
    def ok(*arguments, **options):
        status, out, err = command(*arguments, "--json", **options)
        assert status == 0, err
        return json.loads(out)

    secret = "a long passphrase\n"
    (files / "cross.yaml").write_text(
        "title: Cross\nlabel_set: demo14\ndesign: crossover\nreaders: invited\n"
    )
    (files / "maps").mkdir()
    (files / "maps" / "C1.png").write_bytes(b"\x89PNG\r\n\x1a\n one")
    (files / "maps" / "C2.2.png").write_bytes(b"\x89PNG\r\n\x1a\n two")
    ok("study", "create", "--config", files / "cross.yaml", "--cases", files / "cases.csv")
    status, _, err = command("study", "open", "cross")
    assert (status, "aided arm" in err) == (2, True)
    model = ("--model", files / "model.csv", "--identity", files / "identity.json")
    ok("import", "cross", *model, "--maps", files / "maps")
    ok("study", "open", "cross")
    ok("site", "add", "FAR", "--name", "Far away")
    link = ok("user", "invite", "--site", "FAR", "--study", "cross")["token"]
    home = Database(command.url)
    ana = invitations.accept(home, link, "ana", "long enough")
    export = ("site", "export", "cross", "--site", "FAR", "--out", files / "far.site", "--passphrase-stdin")
    sent = ok(*export, stdin=secret)
    assert (sent["readers"], sent["cases"]) == (1, 3)
    there = ("--database", f"sqlite:///{files / 'far.db'}")

    def at_site(*arguments):
        monkeypatch.setattr("sys.stdin", io.StringIO(secret))
        status = cli.main([*there, *map(str, arguments), "--passphrase-stdin"])
        capsys.readouterr()
        return status

    assert at_site("site", "open", files / "far.site", "--images", files / "pictures") == 0
    away = Database(there[1])
    while (reading := conduct.next_reading(away, ana.id)) is not None:
        if reading.aided:
            aid.aid_for(away, ana.id, reading.token)
        conduct.submit(away, ana.id, reading.token, Answer(("glaucoma",), 3))
    away.close()
    assert at_site("site", "return", "cross", "--out", files / "back.site") == 0
    take = ("site", "import", files / "back.site", "--passphrase-stdin")
    taken = ok(*take, stdin=secret)
    assert (taken["imported"], taken["conflicts"]) == (3, [])
    status, _, err = command(*take, stdin="a wrong passphrase\n")
    assert (status, "passphrase" in err, "Traceback" in err) == (2, True, False)
    assert ok("verify")["intact"] is True
    home.close()


def test_a_folder_of_folders_makes_a_study(command, files):
    for name in ("glaucoma", "CRVO"):
        (files / "photos" / name).mkdir(parents=True)
        (files / "photos" / name / "x.jpg").write_bytes(name.encode())
    made = command("study", "create", "--config", files / "pilot.yaml", "--cases", files / "photos", "--json")
    assert json.loads(made[1])["cases"] == 2
    (files / "photos" / "flux capacitor").mkdir()
    (files / "photos" / "flux capacitor" / "y.png").write_bytes(b"y")
    (files / "photos" / "loose.png").write_bytes(b"z")
    status, _, err = command("study", "create", "--config", files / "pilot.yaml", "--cases", files / "photos")
    assert status == 2
    assert "'flux capacitor': is no diagnosis" in err
    assert "loose.png: lies in no folder" in err
