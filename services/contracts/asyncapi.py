"""The AsyncAPI document (3.0) of everything that goes over NATS, made of the channels and the wire types."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from services.contracts import subjects
from services.contracts.channels import CHANNELS, NATS, PARAMETERS, Channel, Messages
from services.contracts.schemas import components

VERSION = "1"
_SCHEMAS = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{([a-z_]+)\}")
_PLAIN: Mapping[type, tuple[str, dict[str, Any], Any]] = {
    dict: ("Alive", {"type": "object", "description": "Nothing more than that the key is there."}, {}),
    bytes: ("Chunk", {"type": "string", "description": "Bytes of a file, as they are."}, "…"),
    str: ("Halted", {"type": "string", "description": "Why everything has to wait."}, "recovery in epoch 2"),
}
"""What is no type of ours: a name, a schema and an example."""
_CONTENT_TYPES: Mapping[type, str] = {str: "text/plain", bytes: "application/octet-stream"}
_DESCRIPTION = """\
What gateways, registries, dispatchers and history say to each other over NATS. Operations are named by who performs them;
these are the users of `deploy/nats/permissions.conf`. Payloads are JSON. Instants are JetStream's own message timestamps,
durations seconds. What rests in a stream or a bucket says so in `x-stream`."""
_HEADERS = {
    "type": "object",
    "properties": {
        subjects.MSG_ID: {"type": "string", "description": "The event's id: appending it again changes nothing."},
        subjects.EXPECTED_SEQUENCE: {"type": "string", "description": "The sequence of the event before it in its chain."},
        subjects.TRACEPARENT: {"type": "string", "description": "W3C trace context of the request."},
    },
}


def message_name(message: type) -> str:
    """What a message is called."""
    return _PLAIN[message][0] if message in _PLAIN else message.__name__


def asyncapi(examples: Mapping[str, Any]) -> dict[str, Any]:
    """The document; `examples` are payloads by the name of their type. Raises KeyError when one is missing."""
    messages = {message_name(each): each for channel in CHANNELS for each in (*channel.messages, *channel.replies)}
    _, schemas = components([each for each in messages.values() if each not in _PLAIN], _SCHEMAS)
    plain = {name: schema for name, schema, _ in _PLAIN.values()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "WebSocket Spaces", "version": VERSION, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {"nats": {"host": "127.0.0.1:4222", "protocol": "nats", "description": "NATS with JetStream."}},
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": dict(_operations()),
        "components": {
            "messages": {name: _message(name, each, examples) for name, each in sorted(messages.items())},
            "schemas": dict(sorted((schemas | plain).items())),
        },
    }


def _channel(channel: Channel) -> dict[str, Any]:
    everything = dict.fromkeys((*channel.messages, *channel.replies))
    names = _PARAMETER.findall(channel.address)
    parameters: dict[str, dict[str, Any]] = {name: {"description": PARAMETERS[name]} for name in names}
    described: dict[str, Any] = {
        "address": channel.address,
        "title": channel.name,
        "summary": channel.summary,
        "messages": {message_name(each): _reference("components/messages", message_name(each)) for each in everything},
    }
    if "type" in parameters:
        parameters["type"]["enum"] = [_tag(each) for each in channel.messages]
    if parameters:
        described["parameters"] = parameters
    if channel.stream:
        described["x-stream"] = channel.stream
    return described


def _operations() -> Iterable[tuple[str, dict[str, Any]]]:
    for channel in CHANNELS:
        for service, messages in channel.sent.items():
            yield f"{service}_sends_{channel.name}", _operation(channel, "send", service, messages)
        for service, messages in channel.received.items():
            yield f"{service}_receives_{channel.name}", _operation(channel, "receive", service, messages)


def _operation(channel: Channel, action: str, service: str, messages: Messages) -> dict[str, Any]:
    here = f"channels/{channel.name}/messages"
    summary = "Republished by the server." if service == NATS else channel.summary
    described: dict[str, Any] = {
        "action": action,
        "channel": _reference("channels", channel.name),
        "summary": summary,
        "tags": [{"name": service}],
        "messages": [_reference(here, message_name(each)) for each in messages],
    }
    if channel.replies:
        described["reply"] = {
            "address": {"location": "$message.header#/reply", "description": "NATS's own reply subject."},
            "channel": _reference("channels", channel.name),
            "messages": [_reference(here, message_name(each)) for each in channel.replies],
        }
    return described


def _message(name: str, message: type, examples: Mapping[str, Any]) -> dict[str, Any]:
    if message in _PLAIN:
        _, schema, example = _PLAIN[message]
        content_type = _CONTENT_TYPES.get(message, "application/json")
        summary = str(schema["description"])
    else:
        example, content_type, summary = examples[name], "application/json", _first_sentence(message)
    described = {
        "name": name,
        "contentType": content_type,
        "summary": summary,
        "payload": _reference("components/schemas", name),
        "examples": [{"payload": example}],
    }
    return described | ({"headers": _HEADERS} if "prev_seq" in getattr(message, "__struct_fields__", ()) else {})


def _tag(event: type) -> str:
    """Its type as it stands in subject and payload."""
    assert issubclass(event, msgspec.Struct)
    return str(event.__struct_config__.tag)


def _first_sentence(kind: type) -> str:
    return re.split(r"(?<=[.?])\s", " ".join((kind.__doc__ or "").split()), maxsplit=1)[0]


def _reference(where: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/{where}/{name}"}
