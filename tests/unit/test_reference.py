"""The published documents are those of the types, and what they say is so."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from services import reference
from services.contracts import channels, subjects
from services.contracts.asyncapi import asyncapi, message_name
from services.contracts.channels import CHANNELS, Channel
from services.history.queries import Queries
from services.history.standing import Standing
from spaces_agent import frames

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = reference.read_examples(ROOT / "tests" / "contracts" / "golden")
DOCUMENTS = reference.documents(EXAMPLES)
ASYNCAPI = json.loads(DOCUMENTS["asyncapi.json"])
FRAMES = json.loads(DOCUMENTS["agent-frames.schema.json"])
RID = "018bcfe56800700000000000000000000b"

SAMPLES = {
    "request_event": subjects.request_event(RID, "assigned", "demo", "g2", "g1"),
    "connection_event": subjects.connection_event("c1", "refused"),
    "directory_event": subjects.directory_event("space", "demo", "space_created"),
    "output": subjects.output(RID),
    "behind_fence": subjects.behind_fence("REQUESTS", subjects.request_event(RID, "restored", "demo", "-", "g1")),
    "file_record": subjects.file_record("u1." + "0" * 32),
    "file_chunks": subjects.file_chunks("n1"),
    "report": subjects.report("g1"),
    "control": subjects.control("g1"),
    "registry_rpc": subjects.registry_rpc("attach"),
    "history_rpc": subjects.history_rpc("chain"),
    "dispatcher_rpc": subjects.dispatcher_rpc(11, "place"),
    "live_key": subjects.bucket_entry(subjects.LIVE, subjects.live_key("gateway", "g1")),
    "lease_key": subjects.bucket_entry(subjects.LEASES, subjects.lease_key(11)),
    "idempotency_key": subjects.bucket_entry(subjects.KEYS, subjects.idempotency_key("d1")),
    "session_key": subjects.bucket_entry(subjects.SESSIONS, subjects.session_key("d1")),
    "sign_ins_key": subjects.bucket_entry(subjects.SIGN_INS, subjects.sign_ins_key("d1")),
    "key_use_key": subjects.bucket_entry(subjects.KEY_USES, subjects.key_use_key("k1")),
    "agent_claim": subjects.bucket_entry(subjects.CLAIMS, subjects.agent_claim("u1/gpu.1")),
    "space_claim": subjects.bucket_entry(subjects.CLAIMS, subjects.space_claim("demo")),
    "bucket_entry": subjects.bucket_entry(subjects.LIVE, subjects.HALTED_KEY),
}
"""A subject of each kind, by the function that builds it."""
NO_SUBJECTS = {"token", "part_token", "parse_request_event"}
FILTERS = {
    "chain",
    "partition",
    "for_agent_gateway",
    "for_origin",
    "connection_chain",
    "directory_chain",
    "directory_entries",
}


def matches(address: str, subject: str) -> bool:
    pattern = re.sub(r"\\\{[a-z_]+\\\}", r"[^.]+", re.escape(address))
    return re.fullmatch(pattern.replace(r"recovery\.[^.]+\.[^.]+", r"recovery\.[^.]+\..+"), subject) is not None


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_published_is_what_the_types_say(name: str) -> None:
    published = ROOT / "docs" / "reference" / name
    assert published.read_text() == DOCUMENTS[name], "run `make reference`"


def test_nothing_else_is_published() -> None:
    assert {path.name for path in (ROOT / "docs" / "reference").glob("*.json")} == set(DOCUMENTS)


# Frames


@pytest.mark.parametrize(("family", "union"), [("agent_frame", "AgentFrame"), ("gateway_frame", "GatewayFrame")])
def test_every_frame_fits_the_published_schema(family: str, union: str) -> None:
    validator = Draft202012Validator({**FRAMES, "anyOf": [{"$ref": f"#/$defs/{union}"}]})
    Draft202012Validator.check_schema(FRAMES)
    golden = list((ROOT / "tests" / "contracts" / "golden").glob(f"{family}.*.json"))
    assert len(golden) == len(FRAMES["$defs"][union]["anyOf"])
    for path in golden:
        validator.validate(json.loads(path.read_text()))
    assert not validator.is_valid({"type": "hello", "agent_id": "NO"})


def test_the_constants_of_the_protocol_are_published() -> None:
    constants = FRAMES["x-constants"]
    assert (constants["subprotocol"], constants["close_superseded"]) == (frames.SUBPROTOCOL, frames.CLOSE_SUPERSEDED)
    assert constants["max_frame_bytes"] == frames.MAX_FRAME_BYTES


# Channels


def test_every_subject_has_a_channel_with_its_parameters() -> None:
    public = {name for name, value in vars(subjects).items() if callable(value) and value.__module__ == subjects.__name__}
    functions = {name for name in public if not name.startswith("_") and name[0].islower()}
    assert functions == {*SAMPLES, *FILTERS, *NO_SUBJECTS}
    for name, subject in SAMPLES.items():
        found = [channel for channel in CHANNELS if matches(channel.address, subject)]
        assert found, f"no channel for {name}: {subject}"
    people = re.sub(r"\{\{wildcard\((\d)\)\}\}", "x", subjects.REPUBLISH_TO)
    assert [channel.name for channel in CHANNELS if matches(channel.address, people)] == ["requests_for_people"]
    for channel in CHANNELS:
        parameters = re.findall(r"\{([a-z_]+)\}", channel.address)
        assert list(ASYNCAPI["channels"][channel.name].get("parameters", {})) == parameters


def test_every_channel_that_is_declared_is_published() -> None:
    assert {channel.name for channel in CHANNELS} == set(ASYNCAPI["channels"])
    assert len({channel.name for channel in CHANNELS}) == len({channel.address for channel in CHANNELS}) == len(CHANNELS)


def test_every_operation_of_history_is_published() -> None:
    operations = Queries(None).operations() | Standing(None, None).operations()  # type: ignore[arg-type]
    offered = {each.subject for each in operations.values()}
    assert offered == {channel.address for channel in CHANNELS if channel.address.startswith("ws.rpc.history.")}


@pytest.mark.parametrize(
    ("sources", "prefix"),
    [(("registry/service.py", "registry/signing_in.py"), "registry"), (("dispatcher/main.py",), "dispatcher")],
)
def test_every_operation_of_the_other_services_is_published(sources: tuple[str, ...], prefix: str) -> None:
    text = "".join((ROOT / "services" / source).read_text() for source in sources)
    offered = set(re.findall(r'"([a-z_]+)": (?:operation\(|place|queue|overview|\([A-Z])', text))
    assert offered
    assert offered == {channel.address.rpartition(".")[2] for channel in CHANNELS if f"rpc.{prefix}." in channel.address}


# AsyncAPI


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_reference_leads_somewhere() -> None:
    for reference_ in references(ASYNCAPI):
        here: Any = ASYNCAPI
        for token in reference_.removeprefix("#/").split("/"):
            here = here[token]
        assert here


def test_operations_send_and_receive_messages_of_their_channel() -> None:
    for operation in ASYNCAPI["operations"].values():
        channel = operation["channel"]["$ref"]
        assert operation["action"] in {"send", "receive"}
        assert operation["messages"]
        assert all(each["$ref"].startswith(f"{channel}/messages/") for each in operation["messages"])
        for each in operation.get("reply", {}).get("messages", []):
            assert each["$ref"].startswith(f"{channel}/messages/")


def test_every_message_has_an_example_that_fits_its_schema() -> None:
    for name, message in ASYNCAPI["components"]["messages"].items():
        schema = {**message["payload"], "components": ASYNCAPI["components"]}
        for example in message["examples"]:
            Draft7Validator(schema).validate(example["payload"])
        assert message["summary"], name


def test_everything_that_rests_or_travels_between_services_is_a_message() -> None:
    families = ("request", "connection", "directory", "message", "record")
    golden = {path.stem for path in (ROOT / "tests" / "contracts" / "golden").glob("*.json")}
    travelling = {name.partition(".")[2] for name in golden if name.partition(".")[0] in families}
    assert travelling <= set(ASYNCAPI["components"]["schemas"])


def test_a_message_without_an_example_is_an_error() -> None:
    with pytest.raises(KeyError):
        asyncapi({name: value for name, value in EXAMPLES.items() if name != "Accepted"})


# Permissions


def allowed() -> dict[str, tuple[list[str], list[str]]]:
    """What each NATS user may publish and subscribe to."""
    text = re.sub(r"#[^\n]*", "", (ROOT / "deploy" / "nats" / "permissions.conf").read_text())
    found = {}
    for block in re.split(r"\buser: ", text)[1:]:
        name = block.split()[0]
        publish, _, subscribe = block.partition("subscribe:")
        found[name] = (re.findall(r'"([^"]+)"', publish), re.findall(r'"([^"]+)"', subscribe))
    return found


ALLOWED = allowed()


def covers(allowed_subject: str, subject: str) -> bool:
    """Whether a permission covers a pattern (NATS's own wildcards)."""
    wanted, given = subject.split("."), allowed_subject.split(".")
    for position, token in enumerate(given):
        if token == ">":
            return len(wanted) > position
        if position >= len(wanted) or (token != "*" and token != wanted[position]):
            return False
    return len(wanted) == len(given)


def sent_by(service: str, channel: Channel) -> Iterator[str]:
    """The subjects that a service sends to, as NATS patterns: what bears the name of a service is its own."""
    return patterns(channel, channel.sent.get(service, ()), service)


def patterns(channel: Channel, messages: tuple[type, ...], service: str = "*") -> Iterator[str]:
    """The subjects of these messages as NATS patterns."""
    for message in messages:
        tag = str(getattr(message, "__struct_config__").tag) if "{type}" in channel.address else ""  # noqa: B009
        address = channel.address.replace("{type}", tag).replace("{subject}", ">").replace("{service}", service)
        yield re.sub(r"\{[a-z_]+\}(/\{[a-z_]+\})?", "*", address)


def of_ours(subject: str) -> bool:
    return subject.startswith(("ws.", "$KV.", "$O."))


def test_whoever_sends_may() -> None:
    for channel in CHANNELS:
        for service in set(channel.sent) - {channels.NATS}:
            for subject in sent_by(service, channel):
                assert any(covers(each, subject) for each in ALLOWED[service][0]), f"{service} may not publish {subject}"


def test_whoever_receives_may() -> None:
    for channel in CHANNELS:
        for service, messages in channel.received.items():
            publish, subscribe = ALLOWED[service]
            reading = [f"$JS.API.CONSUMER.CREATE.{channel.stream}.x", f"$JS.API.STREAM.MSG.GET.{channel.stream}"]
            reads = bool(channel.stream) and any(covers(each, api) for each in publish for api in reading)
            for subject in patterns(channel, messages):
                assert reads or any(covers(each, subject) for each in subscribe), f"{service} may not receive {subject}"


@pytest.mark.parametrize("service", ALLOWED)
def test_nobody_may_send_what_no_channel_says_that_it_sends(service: str) -> None:
    for permission in filter(of_ours, ALLOWED[service][0]):
        sent = [subject for channel in CHANNELS for subject in sent_by(service, channel)]
        assert any(covers(permission, subject) for subject in sent), f"{service} may publish {permission}, and never does"


@pytest.mark.parametrize("service", ALLOWED)
def test_nobody_may_receive_what_no_channel_says_that_it_receives(service: str) -> None:
    publish, subscribe = ALLOWED[service]
    received = [
        (channel, subject) for channel in CHANNELS for subject in patterns(channel, channel.received.get(service, ()))
    ]
    for permission in filter(of_ours, subscribe):
        assert any(covers(permission, subject) for _, subject in received), f"{service} may receive {permission}"
    for permission in publish:
        stream = re.fullmatch(r"\$JS\.API\.CONSUMER\.CREATE\.([A-Z]\w+)\.>", permission)
        if stream is not None:
            assert any(channel.stream == stream[1] for channel, _ in received), f"{service} may read {stream[1]}"


def test_messages_are_named_by_their_types() -> None:
    assert {message_name(each) for channel in CHANNELS for each in channel.messages} <= set(
        ASYNCAPI["components"]["messages"]
    )
