"""Identifiers: layouts and known vectors."""

import hashlib
import uuid

import pytest

from services.contracts import ids


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Test vectors of draft-eastlake-fnv, appendix C.
        ("", 0x811C9DC5),
        ("a", 0xE40C292C),
        ("b", 0xE70C2DE5),
        ("fo", 0x6222E842),
        ("foobar", 0xBF9CF968),
    ],
)
def test_fnv1a32(text: str, expected: int) -> None:
    assert ids.fnv1a32(text) == expected


def test_fnv1a32_hashes_utf8() -> None:
    value = 0x811C9DC5
    for byte in "ä".encode():
        value = (value ^ byte) * 0x01000193 % 2**32
    assert ids.fnv1a32("ä") == value


def test_uuid7_has_the_layout_of_the_rfc() -> None:
    # The example of RFC 9562, appendix A.6: unix_ts_ms, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F.
    bits = 0xCC3 << 68 | 0x18C4DC0C0C07398F
    text = ids.uuid7(0x017F22E279B0, bits.to_bytes(10, "big"))
    assert text == "017f22e279b07cc398c4dc0c0c07398f"


@pytest.mark.parametrize("entropy", [bytes(10), b"\xff" * 10, b"\xff" * 16, bytes(range(10))])
def test_uuid7_is_one_whatever_the_entropy(entropy: bytes) -> None:
    made = uuid.UUID(ids.uuid7(1_700_000_000_123, entropy))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == 1_700_000_000_123


def test_all_74_random_bits_are_used() -> None:
    changed = {ids.uuid7(0, (1 << bit).to_bytes(10, "big")) for bit in range(80)} - {ids.uuid7(0, bytes(10))}
    assert len(changed) == 74


def test_ids_sort_by_time() -> None:
    made = [ids.request_id("demo", ms, b"\xff" * 10 if ms % 2 else bytes(10)) for ms in range(1000, 1010)]
    assert made == sorted(made)


@pytest.mark.parametrize("space", ["demo", "a", "0", "a" * 48, "x-y-z"])
def test_a_request_id_names_the_partition_of_its_space(space: str) -> None:
    rid = ids.request_id(space, 1_700_000_000_000, bytes(10))
    assert len(rid) == 34
    assert ids.is_request_id(rid)
    assert ids.part_of_request(rid) == ids.part_of_space(space) == ids.fnv1a32(space) % 16


def test_spaces_spread_over_all_partitions() -> None:
    assert {ids.part_of_space(f"space-{n}") for n in range(200)} == set(range(ids.PARTS))


@pytest.mark.parametrize("text", ["", "0" * 33, "0" * 35, "0" * 32 + "10", "g" * 34, "A" * 34, "0" * 34 + "\n"])
def test_no_request_id(text: str) -> None:
    assert not ids.is_request_id(text)


@pytest.mark.parametrize("slug", ["", "-a", "A", "a_b", "a.b", "a b", "a" * 49, "a\n", "ä"])
def test_no_space(slug: str) -> None:
    assert not ids.is_space(slug)


def test_an_outcome_has_one_id() -> None:
    first = ids.outcome_id("r", 7, "s")
    assert first == ids.outcome_id("r", 7, "s")
    assert len({first, ids.outcome_id("r2", 7, "s"), ids.outcome_id("r", 8, "s"), ids.outcome_id("r", 7, "s2")}) == 4
    assert uuid.UUID(first).version == 5


def test_a_secret_is_stored_as_its_sha256() -> None:
    assert ids.secret_hash("wsk_x") == hashlib.sha256(b"wsk_x").hexdigest()
