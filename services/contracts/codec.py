"""Bytes of events: JSON, so that `nats` shows something readable. Old schemas are upcast before they are typed."""

from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Generic, TypeVar

import msgspec

from services.contracts.connections import ConnectionEvent
from services.contracts.directory import DirectoryEvent
from services.contracts.events import SCHEMA, RequestEvent

T = TypeVar("T")
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

# (type, schema) -> the payload of the next schema. Add a golden file under tests/contracts/golden with each entry.
UPCASTERS: dict[tuple[str, int], Upcaster] = {}


class UndecodableEvent(ValueError):
    """The bytes are no event that this version understands."""


class _Version(msgspec.Struct):
    type: str = ""
    schema: int = SCHEMA


_encoder = msgspec.json.Encoder()
_version_decoder = msgspec.json.Decoder(_Version)


def upcast(payload: dict[str, Any], upcasters: Mapping[tuple[str, int], Upcaster]) -> dict[str, Any]:
    """The payload in the newest schema, one step at a time. Raises UndecodableEvent when a step is missing."""
    while (version := payload.get("schema", SCHEMA)) < SCHEMA:
        step = upcasters.get((payload.get("type", ""), version))
        if step is None:
            raise UndecodableEvent(f"no upcaster for {payload.get('type')!r} of schema {version}")
        payload = step(payload)
    return payload


class EventCodec(Generic[T]):
    """Encodes and decodes one family of events."""

    def __init__(self, union: UnionType, upcasters: Mapping[tuple[str, int], Upcaster] | None = None) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(union)
        self._union = union
        self._upcasters = UPCASTERS if upcasters is None else upcasters

    def encode(self, event: T) -> bytes:
        """The event as JSON in UTF-8."""
        return _encoder.encode(event)

    def decode(self, data: bytes) -> T:
        """The event in these bytes, upcast to the newest schema. Raises UndecodableEvent."""
        try:
            return self._decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return self._decode_old(data, error)

    def _decode_old(self, data: bytes, error: Exception) -> T:
        try:
            version = _version_decoder.decode(data)
            if version.schema >= SCHEMA:
                raise UndecodableEvent(str(error)) from error
            payload = upcast(msgspec.json.decode(data), self._upcasters)
            event: T = msgspec.convert(payload, self._union)
            return event
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as again:
            raise UndecodableEvent(str(again)) from again


requests: EventCodec[RequestEvent] = EventCodec(RequestEvent)
connections: EventCodec[ConnectionEvent] = EventCodec(ConnectionEvent)
directory: EventCodec[DirectoryEvent] = EventCodec(DirectoryEvent)
