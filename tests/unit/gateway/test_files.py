"""Files at a gateway: what is decided about them, without a store."""

import random
import string
from typing import Any

import msgspec
import pytest

from services.contracts import files
from services.contracts.directory import Feature
from services.contracts.files import File
from services.contracts.lists import Place
from services.gateway.downloads import disposition, safe_name
from services.gateway.file_index import FileIndex, place
from services.gateway.lists import Paging
from services.gateway.media_types import UNKNOWN, agreed, check_features, normal
from services.gateway.problems import ApiProblem
from services.gateway.references import MAX_REFERENCES, Reference, checked, references
from services.gateway.signing import BadToken, DownloadGrant, Signer, UploadGrant
from services.gateway.sniffing import looks_like

RID = "018bcfe5680070000000000000000000" + "0b"


def a_file(number: int = 1, **fields: object) -> File:
    file = File(
        id=f"u1.{number:032x}",
        nuid="n1",
        state="complete",
        kind="upload",
        space="demo",
        user="u1",
        key_id="k1",
        created_at=number,
        expires_at=number,
        size=10,
        revision=number,
    )
    return msgspec.structs.replace(file, **fields)


# References


def test_references_are_found_wherever_they_stand() -> None:
    one, two = a_file(1).id, a_file(2).id
    input = {
        "a": f"/v1/files/{one}",
        "b/c~": [{"d": f"/v1/files/{two}"}, 1, None],
        "e": f"see /v1/files/{one}",
        "f": "/v1/files/x",
    }
    expected = [Reference("/a", one), Reference("/b~1c~0/0/d", two)]
    assert references(msgspec.json.encode(input)) == expected


@pytest.mark.parametrize("escaped", [r"\/v1\/files\/", r"\u002fv1/files/", r"/v1/file\u0073/"])
def test_a_reference_cannot_be_hidden_by_escapes(escaped: str) -> None:
    assert references(f'{{"a":"{escaped}{a_file().id}"}}'.encode()) == [Reference("/a", a_file().id)]


def test_complete_files_of_the_user_and_the_space_may_be_referred_to() -> None:
    found = [Reference("/a", a_file().id), Reference("/b", a_file().id)]
    assert checked(found, [a_file(), a_file()], "demo", "u1", admin=False) == (a_file().id,)
    assert checked(found, [a_file(), a_file()], "demo", "root", admin=True) == (a_file().id,)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (None, "input_invalid"),
        (a_file(user="u2"), "input_invalid"),
        (a_file(space="other"), "input_invalid"),
        (a_file(state="uploading"), "input_invalid"),
        (a_file(state="deleted"), "data_expired"),
        (a_file(state="deleted", user="u2"), "input_invalid"),
    ],
)
def test_others_may_not(file: File | None, code: str) -> None:
    with pytest.raises(ApiProblem) as refused:
        checked([Reference("/a", a_file().id)], [file], "demo", "u1", admin=False)
    assert refused.value.code == code
    assert [flaw.pointer for flaw in refused.value.flaws] == (["/input/a"] if code == "input_invalid" else [])


def test_an_input_refers_to_so_many_files_at_most() -> None:
    found = [Reference(f"/{number}", a_file().id) for number in range(MAX_REFERENCES + 1)]
    with pytest.raises(ApiProblem, match="64 times"):
        checked(found, [a_file()] * MAX_REFERENCES, "demo", "u1", admin=False)


# Links

GET = DownloadGrant(file=a_file().id, until=100)
PUT = UploadGrant(rid=RID, attempt=1, lease=42, space="demo", user="u1", key_id="k1", until=100)


@pytest.mark.parametrize("grant", [GET, PUT])
def test_what_is_signed_is_good_until_it_expires(grant: Any) -> None:
    signer = Signer(["one"])
    token = signer.token(grant)
    assert signer.grant(token, type(grant), 99) == grant
    with pytest.raises(BadToken, match="expired"):
        signer.grant(token, type(grant), 100)


def test_what_others_have_signed_is_not() -> None:
    with pytest.raises(BadToken, match="none of ours"):
        Signer(["one"]).grant(Signer(["two"]).token(GET), DownloadGrant, 0)


def test_a_link_is_for_one_thing_alone() -> None:
    signer = Signer(["one"])
    with pytest.raises(BadToken, match="something else"):
        signer.grant(signer.token(GET), UploadGrant, 0)


def test_a_secret_can_be_replaced_without_a_link_breaking() -> None:
    both = Signer(["one", "two"])
    assert both.grant(Signer(["one"]).token(GET), DownloadGrant, 0) == GET
    assert Signer(["two"]).grant(both.token(GET), DownloadGrant, 0) == GET


def test_no_changed_token_is_good() -> None:
    token = Signer(["one"]).token(PUT)
    replaced = [
        token[:position] + other + token[position + 1 :]
        for position, letter in enumerate(token)
        for other in string.ascii_letters
        if other != letter
    ]
    for changed in [*replaced, f"{token}=", f"{token}\r\n", f"{token}=\r\nX-More: 1", f"{token}é"]:
        with pytest.raises(BadToken):
            Signer(["one"]).grant(changed, UploadGrant, 0)


# The index


def test_the_newest_record_counts_in_whatever_order_they_come() -> None:
    index = FileIndex()
    for file in (a_file(revision=5, expires_at=50), a_file(revision=4, expires_at=40)):
        index.fold(file, followed=True)
    assert index.get(a_file().id) == a_file(revision=5, expires_at=50)


def test_a_file_that_was_deleted_here_does_not_come_back_with_what_the_tail_still_brings() -> None:
    index = FileIndex()
    index.fold(a_file(revision=6, state="deleted"))
    index.fold(a_file(revision=5), followed=True)
    assert index.get(a_file().id) is None
    index.fold(a_file(revision=6, state="deleted"), followed=True)
    assert index.get(a_file().id) is None
    assert index.bytes_of_space("demo") == 0


def test_a_file_that_was_deleted_elsewhere_does_not_come_back_with_what_was_read_before() -> None:
    index = FileIndex()
    index.fold(a_file(revision=5), followed=True)
    index.fold(a_file(revision=6, state="deleted"), followed=True)
    index.fold(a_file(revision=5))
    assert index.get(a_file().id) is None
    assert index.bytes_of_space("demo") == 0


def test_of_deleted_files_nothing_is_kept_once_the_stream_has_told_of_them() -> None:
    index = FileIndex()
    index.fold(a_file(1, revision=6, state="deleted"), followed=True)
    index.fold(a_file(1, revision=6, state="deleted"))
    index.fold(a_file(2, revision=7, state="deleted"))
    index.fold(a_file(2, revision=7, state="deleted"), followed=True)
    assert not index._gone


def test_what_files_take_is_counted_by_key_and_space() -> None:
    index = FileIndex()
    index.fold(a_file(1, state="uploading", length=7))
    index.fold(a_file(2, key_id="k2"))
    assert (index.bytes_of_key("u1", "k1"), index.bytes_of_key("u1", "k2"), index.bytes_of_space("demo")) == (7, 10, 17)
    index.fold(a_file(1, revision=9, size=9))
    assert index.bytes_of_key("u1", "k1") == 9
    index.fold(a_file(2, revision=10, state="deleted"))
    assert index.bytes_of_space("demo") == 9


def test_an_upload_of_unknown_length_takes_what_has_come_of_it() -> None:
    index = FileIndex()
    index.fold(a_file(1, state="uploading"))
    for size in (5, 8):
        index.arrived(a_file(1).id, size)
        assert (index.bytes_of_key("u1", "k1"), index.bytes_of_space("demo")) == (size, size)
    index.fold(a_file(1, revision=9, state="uploading"))  # it is kept
    assert index.bytes_of_space("demo") == 8
    index.fold(a_file(1, revision=10, size=9))
    assert index.bytes_of_space("demo") == 9
    index.arrived(a_file(1).id, 20)
    assert index.bytes_of_space("demo") == 9
    index.fold(a_file(2, state="uploading"))
    index.arrived(a_file(2).id, 5)
    index.fold(a_file(2, revision=10, state="deleted"))
    assert index.bytes_of_space("demo") == 9
    assert not index._arrived


def test_pages_go_both_ways_without_gap_or_repeat() -> None:
    index = FileIndex()
    for number in range(1, 8):
        index.fold(a_file(number, user="u1" if number % 2 else "u2"))
    page, more = index.page("", Paging(3, "older", None), lambda _: True)
    assert ([file.created_at for file in page], more) == ([7, 6, 5], True)
    page, more = index.page("", Paging(4, "older", place(page[-1])), lambda _: True)
    assert ([file.created_at for file in page], more) == ([4, 3, 2, 1], False)
    page, more = index.page("", Paging(3, "newer", place(page[0])), lambda _: True)
    assert ([file.created_at for file in page], more) == ([7, 6, 5], False)
    page, more = index.page("", Paging(2, "newer", Place(1, "")), lambda _: True)
    assert ([file.created_at for file in page], more) == ([2, 1], True)
    page, more = index.page("u1", Paging(9, "older", None), lambda file: file.created_at > 2)
    assert ([file.created_at for file in page], more) == ([7, 5, 3], False)


# Types and names

PNG, WAV = b"\x89PNG\r\n\x1a\n" + bytes(50), b"RIFF\x24\0\0\0WAVEfmt " + bytes(50)
OGG, MP4 = b"OggS\0\x02" + bytes(50), b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2avc1mp41"


@pytest.mark.parametrize(
    ("declared", "head", "taken_for"),
    [
        (UNKNOWN, PNG, "image/png"),
        (UNKNOWN, WAV, "audio/wav"),
        (UNKNOWN, b"<!DOCTYPE html><html>", "text/html"),
        (UNKNOWN, b"PK\x03\x04" + bytes(50), UNKNOWN),
        (UNKNOWN, b"", UNKNOWN),
        ("audio/ogg", OGG, "audio/ogg"),
        ("video/ogg", OGG, "video/ogg"),
        ("audio/mp4", MP4, "audio/mp4"),
        ("audio/l16", bytes(100), "audio/l16"),
        ("application/x-tensor", PNG, "application/x-tensor"),
        ("text/plain", b"GIF89a is how GIFs begin", "text/plain"),
    ],
)
def test_a_file_is_what_it_is_said_to_be_or_what_its_bytes_say(declared: str, head: bytes, taken_for: str) -> None:
    assert agreed(declared, looks_like(head)) == taken_for


@pytest.mark.parametrize(
    ("declared", "head"),
    [("image/png", WAV), ("image/png", MP4), ("audio/wav", PNG), ("video/mp4", b"%PDF-1.7\n"), ("image/gif", b"<html>")],
)
def test_what_its_bytes_contradict_is_refused(declared: str, head: bytes) -> None:
    with pytest.raises(ApiProblem, match=f"said to be {declared}"):
        agreed(declared, looks_like(head))


def test_bytes_at_random_look_like_nothing() -> None:
    generator = random.Random(1)
    assert [found for _ in range(200) if (found := looks_like(b"\x00" + generator.randbytes(5000)))] == []


@pytest.mark.parametrize(
    ("media_type", "features", "taken"),
    [
        ("audio/wav", (), True),
        ("audio/wav", ("audio",), True),
        ("audio/wav", ("file",), True),
        ("audio/wav", ("video", "prompt"), False),
        ("video/mp4", ("audio",), False),
        ("image/png", ("audio", "video"), False),
        ("image/png", ("file",), True),
    ],
)
def test_switches_say_what_a_space_takes(media_type: str, features: tuple[Feature, ...], taken: bool) -> None:
    if taken:
        check_features(media_type, features)
        return
    with pytest.raises(ApiProblem, match="switch"):
        check_features(media_type, features)


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("Image/PNG; q=1", "image/png"),
        ("audio/x-wav", "audio/wav"),
        ("", UNKNOWN),
        ("a/b/c", UNKNOWN),
        ("a\r\nb: c", UNKNOWN),
    ],
)
def test_a_type_is_a_type_or_nothing(header: str, kind: str) -> None:
    assert normal(header) == kind


@pytest.mark.parametrize(
    "name", ["ü" * 300, "\ud800.png".encode("utf-8", "replace").decode(), "a\u200bb\u202e.png", "CON", "~"]
)
def test_no_name_breaks_a_header(name: str) -> None:
    kept = safe_name(name)
    assert 0 < len(kept.encode()) <= files.MAX_FILE_NAME
    disposition(kept, "image/png").encode("ascii")
