"""Signed links: who has one may read a file, or store files for one attempt at a request, until an instant; no key is
needed. All gateways have the same secret, so what one has signed is good at each."""

import hashlib
from typing import Any, TypeVar

import msgspec
from itsdangerous import BadData, URLSafeSerializer
from itsdangerous.encoding import base64_decode, base64_encode

_MOST = 2048


class DownloadGrant(msgspec.Struct, frozen=True, array_like=True, tag="get", forbid_unknown_fields=True):
    """May read the bytes of this file. `until` is in nanoseconds since 1970, as JetStream's clock has it."""

    file: str
    until: int


class UploadGrant(msgspec.Struct, frozen=True, array_like=True, tag="put", forbid_unknown_fields=True):
    """May store files of one attempt at a request, which are the files of the user whose request it is."""

    rid: str
    attempt: int
    lease: int
    space: str
    user: str
    key_id: str
    until: int


Grant = DownloadGrant | UploadGrant
T = TypeVar("T", DownloadGrant, UploadGrant)


class BadToken(ValueError):
    """The token is forged, damaged, out of date, or for something else; the message says which, for people."""


class Signer:
    """`secrets`: the last one signs, all are recognised, so that a secret can be replaced without a link breaking."""

    def __init__(self, secrets: list[str]) -> None:
        options: dict[str, Any] = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        self._serializer = URLSafeSerializer(secrets, salt="websocket-spaces.files", signer_kwargs=options)

    def token(self, grant: Grant) -> str:
        """A token for the query of an address."""
        signed = self._serializer.dumps(msgspec.to_builtins(grant))
        return signed if isinstance(signed, str) else signed.decode()

    def grant(self, token: str, kind: type[T], now: int) -> T:
        """What a token grants at an instant. Raises BadToken."""
        try:
            if len(token) > _MOST or not _is_as_made(token):
                raise BadToken("This link is none of ours.")
            found = msgspec.convert(self._serializer.loads(token), Grant)
        except (BadData, msgspec.ValidationError, UnicodeError):
            raise BadToken("This link is none of ours, or has been changed.") from None
        if not isinstance(found, kind):
            raise BadToken("This link is for something else.")
        if now >= found.until:
            raise BadToken("This link has expired.")
        return found


def _is_as_made(token: str) -> bool:
    """Whether its signature is written as we write it: decoding passes over whatever does not belong there, line breaks and
    all that stands behind a `=` too, while the token comes to stand in a header of our answers. Raises BadData."""
    signature = token.rpartition(".")[2]
    return base64_encode(base64_decode(signature)).decode() == signature
