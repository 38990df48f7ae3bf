"""Files: ids that nobody can misuse, and records that are objects of NATS's object stores."""

import msgspec
import pytest

from services.contracts import files, subjects
from services.contracts.files import File

RID = "018bcfe5680070000000000000000000" + "0b"
ENTROPY = bytes(range(10))
UPLOAD = File(
    id=files.upload_id("u1", 1767323045678, ENTROPY),
    nuid="n1",
    state="uploading",
    kind="upload",
    space="demo",
    user="u1",
    key_id="k1",
    created_at=1767323045678900001,
    expires_at=1767326645678900001,
    name="Ein Bild (1).png",
    media_type="image/png",
    length=9_000_000,
)
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
COMPLETE = files.completed(
    UPLOAD,
    size=9_000_000,
    chunks=69,
    sha256=SHA,
    index=(5, 37, 69),
    media_type="image/png",
    expires_at=1767409445678900001,
)
OUTPUT = msgspec.structs.replace(
    COMPLETE, id=files.output_id(RID, 42, 1767323045678, ENTROPY), kind="output", rid=RID, lease=42, length=None
)


def test_an_id_names_the_owner_or_the_request_and_the_lease() -> None:
    assert UPLOAD.id.startswith("u1.")
    assert OUTPUT.id.startswith(f"{RID}.42.")
    assert files.is_file_id(UPLOAD.id)
    assert files.is_file_id(OUTPUT.id)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "u1",
        "u1.",
        "../etc/passwd",
        f"../{UPLOAD.id}",
        f"{UPLOAD.id}/content",
        f"{UPLOAD.id}\n",
        f"{UPLOAD.id} ",
        UPLOAD.id.upper(),
        f"u1.0.{'0' * 32}",
        f"nobody.42.{'0' * 32}",
        f"{RID}.042.{'0' * 32}",
        f"*.{'0' * 32}",
        f"ü.{'0' * 32}",
    ],
)
def test_what_is_no_id_reaches_no_subject(text: str) -> None:
    assert not files.is_file_id(text)
    assert files.referred(files.REFERENCE + text) is None
    with pytest.raises(subjects.InvalidToken):
        subjects.file_record(text)


def test_a_reference_stands_for_its_file_and_no_other_text_does() -> None:
    assert files.referred(files.reference(UPLOAD.id)) == UPLOAD.id
    assert files.referred(UPLOAD.id) is None
    assert files.referred(f"see {files.reference(UPLOAD.id)}") is None


@pytest.mark.parametrize("file", [UPLOAD, COMPLETE, OUTPUT, files.deleted(COMPLETE)], ids=lambda file: file.state)
def test_what_is_stored_is_read_again(file: File) -> None:
    assert files.decode(files.encode(file), 7) == msgspec.structs.replace(file, revision=7)


def test_a_record_is_an_object_of_the_store() -> None:
    stored = msgspec.json.decode(files.encode(COMPLETE))
    assert (stored["name"], stored["bucket"], stored["nuid"]) == (COMPLETE.id, "ws_files", "n1")
    assert (stored["size"], stored["chunks"], stored["digest"]) == (
        9_000_000,
        69,
        "SHA-256=n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg=",
    )
    assert "deleted" not in stored
    assert msgspec.json.decode(files.encode(files.deleted(COMPLETE)))["deleted"] is True


def test_nothing_is_left_of_a_deleted_file_but_that_it_was() -> None:
    gone = files.deleted(COMPLETE)
    assert (gone.id, gone.user, gone.space, gone.state) == (COMPLETE.id, "u1", "demo", "deleted")
    assert b"Bild" not in files.encode(gone)
    assert SHA.encode() not in files.encode(gone)


def test_a_file_is_kept_for_the_longest_that_was_asked() -> None:
    longer = COMPLETE.expires_at + 1
    assert files.kept_until(COMPLETE, longer).expires_at == longer
    assert files.kept_until(COMPLETE, 1) == COMPLETE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"name":"mine","bucket":"ws_files","nuid":"n1"}',
        files.encode(COMPLETE).replace(b'"complete"', b'"lost"'),
        files.encode(COMPLETE).replace(b'"kind":"upload"', b'"kind":"other"'),
        files.encode(COMPLETE).replace(COMPLETE.id.encode(), b"../x"),
        files.encode(COMPLETE).replace(b'"length":"9000000"', b'"length":"many"'),
    ],
)
def test_an_object_of_somebody_else_is_no_file(data: bytes) -> None:
    with pytest.raises(files.UnknownRecord):
        files.decode(data, 7)
