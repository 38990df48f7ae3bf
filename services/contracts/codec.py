"""Bytes of events: JSON, so that `nats` shows something readable. Old schemas are upcast before they are typed."""

from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Generic, TypeVar

import msgspec

from services.contracts.connections import ConnectionEvent
from services.contracts.directory import DirectoryEvent
from services.contracts.events import SCHEMA, RequestEvent

T = TypeVar("T", bound=RequestEvent | ConnectionEvent | DirectoryEvent)
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

FIRST_SCHEMA = 1
"""What an event without a `schema` has. It is a field's default, so never change that of the structs."""

# (type, schema) -> the payload of the next schema. Add a golden file under tests/contracts/golden with each entry.
UPCASTERS: dict[tuple[str, int], Upcaster] = {}


class UndecodableEvent(ValueError):
    """The bytes are no event that this version understands."""


class _Version(msgspec.Struct):
    type: str = ""
    schema: int = FIRST_SCHEMA


_encoder = msgspec.json.Encoder()
_version_decoder = msgspec.json.Decoder(_Version)


def upcast(payload: dict[str, Any], upcasters: Mapping[tuple[str, int], Upcaster]) -> dict[str, Any]:
    """The payload in the newest schema, one step at a time. Raises UndecodableEvent when a step is missing."""
    while (version := payload.get("schema", FIRST_SCHEMA)) < SCHEMA:
        step = upcasters.get((payload.get("type", ""), version))
        if step is None:
            raise UndecodableEvent(f"no upcaster for {payload.get('type')!r} of schema {version}")
        payload = step(payload) | {"schema": version + 1}
    return payload


class EventCodec(Generic[T]):
    """Encodes and decodes one family of events."""

    def __init__(self, union: UnionType, upcasters: Mapping[tuple[str, int], Upcaster] | None = None) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(union)
        self._upcasters = UPCASTERS if upcasters is None else upcasters

    def encode(self, event: T) -> bytes:
        """The event as JSON in UTF-8, in the newest schema."""
        return _encoder.encode(event if event.schema == SCHEMA else msgspec.structs.replace(event, schema=SCHEMA))

    def decode(self, data: bytes) -> T:
        """The event in these bytes, upcast to the newest schema. Raises UndecodableEvent, also for a schema that is newer
        than this version."""
        try:
            event = self._decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return self._decode_old(data, error)
        # An old payload may well fit today's fields and still mean something else.
        return event if event.schema == SCHEMA else self._decode_old(data, None)

    def _decode_old(self, data: bytes, error: Exception | None) -> T:
        try:
            version = _version_decoder.decode(data)
            if version.schema >= SCHEMA:
                reason = error if version.schema == SCHEMA else f"schema {version.schema} is newer than {SCHEMA}"
                raise UndecodableEvent(str(reason)) from error
            return self._decoder.decode(_encoder.encode(upcast(msgspec.json.decode(data), self._upcasters)))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as again:
            raise UndecodableEvent(str(again)) from again


requests: EventCodec[RequestEvent] = EventCodec(RequestEvent)
connections: EventCodec[ConnectionEvent] = EventCodec(ConnectionEvent)
directory: EventCodec[DirectoryEvent] = EventCodec(DirectoryEvent)
