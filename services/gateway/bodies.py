"""Bodies in JSON: typed, or refused with a pointer to each flaw. Pure."""

from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from services.gateway.problems import ApiProblem, Flaw
from spaces_agent import frames

_MAX_FLAWS, _MAX_NAME = 20, 64
T = TypeVar("T", bound=msgspec.Struct)
_members_decoder = msgspec.json.Decoder(dict[str, Raw])


def parsed(body: bytes, kind: type[T]) -> T:
    """The object in a body. Raises ApiProblem: invalid_request when it is not JSON, input_invalid with its flaws."""
    try:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError:
            flaws = _flaws(body, kind, "")
    except RecursionError:
        raise too_deep("") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ApiProblem("invalid_request", f"The body is not JSON in UTF-8: {error}") from None
    raise ApiProblem("input_invalid", "The body does not fit; see errors.", flaws)


def too_deep(pointer: str) -> ApiProblem:
    """The answer to a body that some decoder down the line could not read."""
    detail = f"Nested more than {frames.MAX_DEPTH} levels deep."
    return ApiProblem("input_invalid", detail, [Flaw(pointer, detail)])


def _flaws(raw: bytes | Raw, kind: type[msgspec.Struct], pointer: str) -> list[Flaw]:
    """All that is wrong with an object that did not fit its type; the decoder stops at the first."""
    try:
        members = _members_decoder.decode(raw)
    except msgspec.ValidationError as error:
        return [Flaw(pointer, detail(error))]
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    found = [Flaw(_pointer(pointer, name), "There is no such field.") for name in members if name not in fields]
    for name, field in fields.items():
        here = _pointer(pointer, name)
        if name not in members:
            found += [Flaw(here, "This field is required.")] if field.required else []
        elif isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found += _flaws(members[name], field.type, here)
        else:
            found += _value_flaws(members[name], field.type, here)
    return found[:_MAX_FLAWS]


def _value_flaws(raw: Raw, kind: Any, pointer: str) -> list[Flaw]:
    try:
        msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        return [Flaw(pointer, detail(error))]
    return []


def _pointer(parent: str, name: str) -> str:
    return f"{parent}/{name[:_MAX_NAME].replace('~', '~0').replace('/', '~1')}"


def detail(error: msgspec.ValidationError) -> str:
    """The decoder's message without its own notation of the place."""
    return str(error).partition(" - at `")[0].replace("`", "") + "."
