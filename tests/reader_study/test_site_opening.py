"""Opening a package that somebody made by hand: nothing here is overwritten, taken over or left behind."""

import tarfile

import pytest
from sqlalchemy import select

from reader_study import accounts, integrity, invitations
from reader_study.accounts import create_user
from reader_study.errors import NotAllowed, PackageError
from reader_study.records import AuditRecord, InvitationRecord, StudyRecord
from reader_study.site_exchange import export_site, open_package, opened_here, outgoing
from reader_study.site_exchange.content import MANIFEST, add_bytes, add_json, read_manifest
from reader_study.site_exchange.sealed import new_key, opening, sealing
from tests.reader_study.conftest import PASSWORD, make_reader, make_study

PASSPHRASE = "correct horse battery"
FAST = 2  # scrypt's n: what these tests protect is worth nothing


@pytest.fixture
def package(database, cases, tmp_path):
    """A package for ana, and the manifest and images in it."""
    make_reader(database, "ana", site="FAR")
    make_study(database, cases)
    file = export_site(database, "pilot", "FAR", tmp_path / "far.site", PASSPHRASE, scrypt_n=FAST).file
    with opening(file, PASSPHRASE, kind="study") as (_, stream):
        manifest, tar = read_manifest(stream)
        images = [tar.extractfile(member).read() for member in iter(tar.next, None)]
    return file, manifest, images


@pytest.fixture
def forged(package, tmp_path):
    """Writes a package of one's own making: any number, any manifest, any images."""

    def forge(manifest, images=package[2], number="S-0123456789abcdef"):
        file = tmp_path / "forged.site"
        file.unlink(missing_ok=True)
        with (
            sealing(
                file, PASSPHRASE, kind="study", package=number, secret_key=new_key()[0], n=FAST
            ) as stream,
            tarfile.open(fileobj=stream, mode="w|") as tar,
        ):
            add_json(tar, MANIFEST, manifest)
            for position, image in enumerate(images):
                add_bytes(tar, f"images/{position}", image)
        return file

    return forge


def test_only_managers_open_packages_and_the_audit_names_them(sqlite, package, tmp_path):
    manager = create_user(sqlite, "mira", PASSWORD, role="manager")
    for role in ("reader", "coordinator", "statistician"):
        other = create_user(sqlite, role, PASSWORD, role=role)
        with pytest.raises(NotAllowed):
            open_package(sqlite, package[0], PASSPHRASE, tmp_path / "images", actor_id=other.id)
    opened = open_package(sqlite, package[0], PASSPHRASE, tmp_path / "images", actor_id=manager.id)
    assert opened_here(sqlite, actor_id=manager.id) == ("pilot",)
    with sqlite.session() as session:
        query = select(AuditRecord.actor_id).where(AuditRecord.subject == f"package {opened.package}")
        assert session.scalars(query).all() == [manager.id]
        assert session.scalars(select(InvitationRecord.created_by)).all() == [manager.id]
    assert integrity.verify(sqlite).intact


def test_the_sender_is_known_by_key_or_fingerprint(sqlite, package, tmp_path):
    with opening(package[0], PASSPHRASE, kind="study") as (header, _):
        key = header.public_key
    for other in ("0" * 64, "0000-0000-0000-0000"):
        with pytest.raises(PackageError, match="is signed by the key"):
            open_package(sqlite, package[0], PASSPHRASE, tmp_path / "images", public_key=other)
    with pytest.raises(PackageError, match="64 hexadecimal digits"):
        open_package(sqlite, package[0], PASSPHRASE, tmp_path / "images", public_key="zz")
    opened = open_package(sqlite, package[0], PASSPHRASE, tmp_path / "images", public_key=f" {key.upper()}")
    with opening(package[0], PASSPHRASE, kind="study", public_key=opened.fingerprint.replace("-", " ")):
        pass


@pytest.mark.parametrize(
    "number", ["../../elsewhere", "/tmp/elsewhere", "", "S-0123456789ABCDEF", "S-1/../.."]
)
def test_the_number_of_a_package_names_no_other_folder(sqlite, package, forged, tmp_path, number):
    with pytest.raises(PackageError, match="not a site package"):
        open_package(sqlite, forged(package[1], number=number), PASSPHRASE, tmp_path / "images")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m: m.pop("places"), "cannot be read"),
        (lambda m: m["study"].pop("title"), "cannot be read"),
        (lambda m: m["study"].update(k="many", wash_out_days=[]), "cannot be read"),
        (lambda m: m.update(readers=7), "cannot be read"),
        (lambda m: m["readers"].append(m["readers"][0]), "cannot be read"),
        (lambda m: m["cases"][3].update(sha256="0" * 64), "not the one that was sent"),
        (lambda m: m["cases"].append(m["cases"][0]), "lacks the image"),
    ],
)
def test_content_that_is_not_ours_is_told_in_a_sentence_and_leaves_nothing(
    sqlite, package, forged, tmp_path, change, sentence
):
    change(package[1])
    with pytest.raises(PackageError, match=sentence):
        open_package(sqlite, forged(package[1]), PASSPHRASE, tmp_path / "images")
    with sqlite.session() as session:
        assert session.scalars(select(StudyRecord)).all() == []
    assert [path for path in (tmp_path / "images").rglob("*") if path.is_file()] == []


def test_no_package_takes_over_an_account_that_is_here(sqlite, package, forged, tmp_path):
    admin = create_user(sqlite, "root", PASSWORD, role="admin")
    (reader,) = package[1]["readers"]
    for told in (
        {"username": "root"},
        {"username": " ROOT "},
        {"id": admin.id},
        {"id": admin.id, "username": "root"},
    ):
        manifest = package[1] | {"readers": [reader | told]}
        with pytest.raises(PackageError, match="another user named 'root'"):
            open_package(sqlite, forged(manifest), PASSPHRASE, tmp_path / "images")
    with sqlite.session() as session:
        assert session.scalars(select(InvitationRecord)).all() == []


def test_a_reader_who_was_disabled_here_is_told_before_anything_is_stored(sqlite, package, forged, tmp_path):
    opened = open_package(sqlite, package[0], PASSPHRASE, tmp_path / "images")
    invitations.accept(sqlite, opened.links["ana"], "", PASSWORD)
    accounts.disable_user(sqlite, "ana")
    package[1]["study"]["name"] = "second"
    with pytest.raises(PackageError, match="'ana' is disabled here"):
        open_package(sqlite, forged(package[1]), PASSPHRASE, tmp_path / "more")
    accounts.enable_user(sqlite, "ana")
    assert set(open_package(sqlite, forged(package[1]), PASSPHRASE, tmp_path / "more").links) == {"ana"}


def test_a_package_opened_twice_leaves_the_photographs_of_the_first(sqlite, package, tmp_path):
    open_package(sqlite, package[0], PASSPHRASE, tmp_path / "images")
    before = sorted((tmp_path / "images").rglob("*"))
    with pytest.raises(PackageError, match="already a study named"):
        open_package(sqlite, package[0], PASSPHRASE, tmp_path / "images")
    assert sorted((tmp_path / "images").rglob("*")) == before


def test_readers_go_on_while_the_photographs_of_a_package_are_written(
    database, package, tmp_path, monkeypatch
):
    written = []

    def image(case):
        create_user(database, f"someone-{case.code}", PASSWORD)  # another writer has its turn
        written.append(case.code)
        return b"x"

    monkeypatch.setattr(outgoing, "_image", image)
    export_site(database, "pilot", "FAR", tmp_path / "again.site", PASSPHRASE, scrypt_n=FAST)
    assert len(written) == 4
