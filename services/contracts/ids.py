"""Identifiers: pure functions of the values that they are made of.

A request id is 32 hex digits of a UUIDv7 (RFC 9562, 5.7) followed by two hex digits of the partition of its space: the id
alone finds the request's subject, and ids sort by time of creation.
"""

import hashlib
import re
import uuid

PARTS = 16
"""Number of partitions; fixed for the life of a stream and written in its metadata."""

ORIGIN_PATTERN = r"^https?://[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?(:[0-9]{1,5})?$"
"""An origin (RFC 6454, 6.2) as browsers send it, of a host with a name or an IPv4 address."""
SPACE_RE = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
REQUEST_ID_RE = re.compile(r"[0-9a-f]{32}(?P<part>[0-9a-f]{2})")
_FNV_OFFSET, _FNV_PRIME = 0x811C9DC5, 0x01000193
_OUTCOMES = uuid.UUID("6b0f9b5e-6a55-5f0e-9c39-6f0d2f1c7b11")


def fnv1a32(text: str) -> int:
    """The 32-bit FNV-1a hash of the text's UTF-8 bytes (draft-eastlake-fnv)."""
    value = _FNV_OFFSET
    for byte in text.encode():
        value = ((value ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return value


def is_space(slug: str) -> bool:
    """Whether the text can be the immutable slug of a space."""
    return SPACE_RE.fullmatch(slug) is not None


def is_origin(text: str) -> bool:
    """Whether the text can be the origin of a page."""
    return re.fullmatch(ORIGIN_PATTERN, text) is not None and not text.endswith("\n")


def is_request_id(text: str) -> bool:
    """Whether the text has the form of a request id and names an existing partition."""
    match = REQUEST_ID_RE.fullmatch(text)
    return match is not None and int(match["part"], 16) < PARTS


def part_of_space(space: str) -> int:
    """The partition that all requests of a space belong to."""
    return fnv1a32(space) % PARTS


def part_of_request(rid: str) -> int:
    """The partition that a request id names."""
    return int(rid[32:34], 16)


def uuid7(unix_ms: int, entropy: bytes) -> str:
    """32 hex digits of a UUIDv7 from a time in milliseconds and at least 10 random bytes."""
    bits = int.from_bytes(entropy[:10], "big")
    value = (unix_ms & (2**48 - 1)) << 80 | 0x7 << 76 | (bits >> 68) << 64 | 0b10 << 62 | bits & (2**62 - 1)
    return f"{value:032x}"


def request_id(space: str, unix_ms: int, entropy: bytes) -> str:
    """A new request id for a space."""
    return f"{uuid7(unix_ms, entropy)}{part_of_space(space):02x}"


def outcome_id(rid: str, lease: int, sha256: str) -> str:
    """The event id of an outcome: the same for the same result of the same lease, so a repeated offer is recognised."""
    return uuid.uuid5(_OUTCOMES, f"{rid}/{lease}/{sha256}").hex


def secret_hash(secret: str) -> str:
    """What is stored of an API key or an agent key; keys carry 160 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()
