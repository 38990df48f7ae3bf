"""Uploads that can be resumed, as tus 1.0.0 has them (https://tus.io/protocols/resumable-upload). Pure."""

import base64
import binascii
import re
from collections.abc import Mapping

from services.gateway.problems import ApiProblem

VERSION = "1.0.0"
EXTENSIONS = "creation,termination"
PIECE_TYPE = "application/offset+octet-stream"
ANSWERED = {"Tus-Resumable": VERSION}
_NUMBER = re.compile(r"[0-9]{1,15}")


def known(max_bytes: int) -> dict[str, str]:
    """What a client may know of this server, whose files have at most `max_bytes` (OPTIONS, in the core protocol)."""
    return {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(max_bytes)}


def check_version(headers: Mapping[bytes, bytes]) -> None:
    """Raises ApiProblem when the client speaks another version."""
    version = headers.get(b"tus-resumable")
    if version not in (None, VERSION.encode()):
        detail = f"This is tus {VERSION}."
        raise ApiProblem("precondition_failed", detail, headers={"Tus-Version": VERSION})


def number(headers: Mapping[bytes, bytes], name: str) -> int:
    """The value of Upload-Length or Upload-Offset. Raises ApiProblem."""
    text = headers.get(name.lower().encode(), b"").decode("latin-1")
    if _NUMBER.fullmatch(text) is None:
        raise ApiProblem("invalid_request", f"{name} must be a number of bytes.")
    return int(text)


def metadata(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """What Upload-Metadata says: pairs of a key and a text in base64, separated by commas. Raises ApiProblem."""
    found = {}
    for pair in filter(None, headers.get(b"upload-metadata", b"").decode("latin-1").split(",")):
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            raise ApiProblem("invalid_request", "Upload-Metadata must be keys with texts in base64.") from None
    return found
