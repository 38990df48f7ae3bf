"""A backup is whole and of a known version, or nothing is made of it."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from services.backup import archive, manifest
from services.backup.archive import Writer
from services.backup.errors import CannotWrite, FileThere, NoBackup
from services.backup.manifest import CREDENTIALS, DUMP, MANIFEST, SEAL, STATE, Manifest, Member, file_names

SCHEMA = 11
ID = "ada.0123456789abcdef0123456789abcdef"
CONTENT = {STATE: b"{}", CREDENTIALS: b"{}", DUMP: b"dumped " * 1000, **dict.fromkeys(file_names(ID), b"x" * 700)}


def of(members: dict[str, Member]) -> Manifest:
    return Manifest(
        format=manifest.FORMAT, made_at="2030-01-01T00:00:00+00:00", release="1.2.3", schema=SCHEMA, postgresql="18.1",
        bootstrapped=True, positions={}, events=0, requests=0, open_requests=0, files=1, file_bytes=700, members=members,
    )  # fmt: skip


def written(target: Path, *, force: bool = False) -> Manifest:
    with archive.writing(target, force=force) as writer:
        for name, data in CONTENT.items():
            writer.add_bytes(name, data)
        made = of(dict(writer.members))
        assert writer.finish(made, target) == target.stat().st_size
    return made


def check(path: Path) -> Manifest:
    return archive.verified(path, SCHEMA, lambda _: None)


def refused(path: Path) -> str:
    with pytest.raises(NoBackup) as error:
        check(path)
    return str(error.value)


def test_what_was_written_is_found_whole(tmp_path: Path) -> None:
    made = written(tmp_path / "a.backup")
    assert check(tmp_path / "a.backup") == made
    assert set(made.members) == set(CONTENT)
    assert (tmp_path / "a.backup").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a.backup"]


def test_a_file_that_is_there_is_replaced_only_when_that_is_said(tmp_path: Path) -> None:
    target = tmp_path / "a.backup"
    target.write_text("precious")
    with pytest.raises(FileThere):
        written(target)
    assert target.read_text() == "precious"
    written(target, force=True)
    check(target)


def test_a_directory_is_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(FileThere):
        written(tmp_path, force=True)


def test_of_a_backup_that_fails_nothing_is_left(tmp_path: Path) -> None:
    target = tmp_path / "a.backup"
    target.write_text("the last one")
    with pytest.raises(CannotWrite, match="No space left"):
        fill_the_disk(target)
    assert target.read_text() == "the last one"
    assert [path.name for path in tmp_path.iterdir()] == ["a.backup"]


def fill_the_disk(target: Path) -> None:
    with archive.writing(target, force=True) as writer:
        writer.add_bytes(DUMP, b"x")
        raise OSError(28, "No space left on device")


def test_a_place_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="No such file"):
        written(tmp_path / "nowhere" / "a.backup")


@pytest.mark.parametrize("kept", [0, 1, 511, 512, 1000, 5000, 0.5, 0.9, -1, -10_241])
def test_a_backup_that_was_cut_off_is_refused(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "a.backup"
    written(path)
    content = path.read_bytes()
    end = tarfile.BLOCKSIZE * -(-content.rindex(SEAL.encode()) // tarfile.BLOCKSIZE)
    path.write_bytes(
        content[: int(end * kept) if isinstance(kept, float) else min(int(kept), end) if kept >= 0 else end + kept]
    )
    assert "nothing was restored" in refused(path)


def test_whatever_byte_of_what_counts_is_changed_the_backup_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    written(path)
    content = path.read_bytes()
    with tarfile.open(path) as tar:
        counts = [at for each in tar for at in _spread(each.offset_data, each.offset_data + each.size)]
    for at in counts:
        changed = bytearray(content)
        changed[at] ^= 1
        path.write_bytes(changed)
        refused(path)
    assert len(counts) > 15


def _spread(start: int, stop: int) -> set[int]:
    return {start, (start + stop) // 2, stop - 1}


def test_what_is_no_archive_at_all_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n" * 200)
    assert "no whole tar archive" in refused(path)
    assert "No such file" in refused(tmp_path / "nowhere")
    assert "Is a directory" in refused(tmp_path)


def forged(path: Path, change: Callable[[tarfile.TarFile], None], members: dict[str, Member] | None = None) -> None:
    """An archive with whatever `change` adds, and a manifest that is right about the rest."""
    found = {name: Member(len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENT.items()}
    encoded = manifest.encode(of(found | (members or {})))
    with tarfile.open(path, "w") as tar:
        for name, data in CONTENT.items():
            add(tar, name, data)
        change(tar)
        add(tar, MANIFEST, encoded)
        add(tar, SEAL, manifest.seal(encoded))


def add(tar: tarfile.TarFile, name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.linkname = kind, len(data), link
    tar.addfile(entry, io.BytesIO(data))


def test_the_forger_can_make_a_good_one(tmp_path: Path) -> None:
    forged(tmp_path / "a.backup", lambda tar: None)
    check(tmp_path / "a.backup")


@pytest.mark.parametrize(
    "name",
    ["../../etc/cron.d/job", "/etc/passwd", "home/../../state.json", "files/../x", "files/a/b", "home/authorized_keys",
     "files/", f"files/../{ID}", f"files/{ID}/../../x", "manifest.json/x", "home/state.json\n", "\x1b[31m"],
)  # fmt: skip
def test_a_name_that_no_part_has_is_refused(tmp_path: Path, name: str) -> None:
    forged(tmp_path / "a.backup", lambda tar: add(tar, name, b"root::0:0"))
    said = refused(tmp_path / "a.backup")
    assert "no part of a backup" in said
    assert said.isprintable()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    forged(tmp_path / "a.backup", lambda tar: add(tar, f"files/{ID[:-1]}0", kind=kind, link="/etc/passwd"))
    assert "no regular file" in refused(tmp_path / "a.backup")


def test_a_part_that_is_there_twice_or_was_added_is_refused(tmp_path: Path) -> None:
    forged(tmp_path / "a.backup", lambda tar: add(tar, STATE, CONTENT[STATE]))
    assert "twice" in refused(tmp_path / "a.backup")
    forged(tmp_path / "b.backup", lambda tar: add(tar, f"files/{ID[:-1]}0", b"x"))
    assert "does not name" in refused(tmp_path / "b.backup")


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    forged(tmp_path / "a.backup", lambda tar: None, {f"files/{ID[:-1]}0": Member(1, "00")})
    assert f"files/{ID[:-1]}0 is missing" in refused(tmp_path / "a.backup")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2, "members": 5, "release": "9.9"}, "it has format 2 (of release 9.9), and this release reads 1"),
        ({"schema": SCHEMA + 1}, f"its database is at version {SCHEMA + 1}"),
        ({"members": 5}, "its manifest cannot be read"),
    ],
)
def test_a_backup_of_another_version_is_refused_and_says_of_which(changes: dict[str, object], said: str) -> None:
    encoded = msgspec.json.encode(msgspec.to_builtins(of({})) | changes)
    with pytest.raises(manifest.Broken) as error:
        manifest.checked(encoded, manifest.seal(encoded), {}, SCHEMA)
    assert said in str(error.value)


def test_a_backup_without_its_database_is_none() -> None:
    encoded = manifest.encode(of({}))
    with pytest.raises(manifest.Broken, match="is missing"):
        manifest.checked(encoded, manifest.seal(encoded), {}, SCHEMA)


def test_a_writer_counts_what_it_reads(tmp_path: Path) -> None:
    with archive.writing(tmp_path / "a", force=False) as writer:
        assert isinstance(writer, Writer)
        writer.add(DUMP, io.BytesIO(b"abc and more"), 3)
        assert writer.members[DUMP] == Member(3, hashlib.sha256(b"abc").hexdigest())
    assert not (tmp_path / "a").exists()
