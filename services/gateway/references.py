"""References to files in inputs: the text `/v1/files/<id>`, wherever it stands in the JSON value. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from services.contracts.files import REFERENCE, File, referred
from services.gateway.problems import ApiProblem, Flaw

MAX_REFERENCES = 64
_ESCAPES = (b"\\/", b"\\u")


class Reference(NamedTuple):
    """Where in an input (a JSON pointer, RFC 6901) which file is referred to."""

    pointer: str
    id: str


def references(input: bytes) -> list[Reference]:
    """All references in an input in JSON."""
    # Most inputs have none, and need not be looked through value by value.
    if REFERENCE.encode() not in input and not any(each in input for each in _ESCAPES):
        return []
    return list(_found(msgspec.json.decode(input), ""))


def checked(
    found: Sequence[Reference], records: Sequence[File | None], space: str, user: str, *, admin: bool
) -> tuple[str, ...]:
    """The ids of the files that are referred to, each once, if the user may refer to all of them in this space; `records` of
    the first MAX_REFERENCES. Raises ApiProblem: input_invalid with a pointer to each that is no such file, data_expired when
    one is deleted."""
    if len(found) > MAX_REFERENCES:
        detail = f"An input may refer to files {MAX_REFERENCES} times."
        raise ApiProblem("input_invalid", detail, [Flaw(f"/input{found[MAX_REFERENCES].pointer}", detail)])
    flaws = []
    for reference, file in zip(found, records, strict=True):
        flaw = _flaw(file, space, user, admin=admin)
        if flaw:
            flaws.append(Flaw(f"/input{reference.pointer}", flaw))
        elif file is not None and file.state == "deleted":
            raise gone(reference.id)
    if flaws:
        raise ApiProblem("input_invalid", "The input refers to files that cannot be used; see errors.", flaws)
    return tuple(dict.fromkeys(reference.id for reference in found))


def gone(id: str) -> ApiProblem:
    """The answer to who needs a file that is deleted."""
    return ApiProblem("data_expired", f"The file {REFERENCE}{id} is no longer kept: upload it again.")


def _flaw(file: File | None, space: str, user: str, *, admin: bool) -> str:
    if file is None or file.space != space or (file.user != user and not admin):
        return f"There is no such file of yours in the space {space}."
    return "The file has not been uploaded to its end." if file.state == "uploading" else ""


def _found(value: Any, pointer: str) -> Iterator[Reference]:
    if isinstance(value, str):
        if (id := referred(value)) is not None:
            yield Reference(pointer, id)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _found(each, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _found(each, f"{pointer}/{number}")
