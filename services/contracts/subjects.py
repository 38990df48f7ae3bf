"""Names of subjects, streams, buckets and headers: the one place that builds them.

Every token is checked, because the server stores whatever it is sent, wildcards and empty tokens included.
"""

import base64
import re
from dataclasses import dataclass

from services.contracts.files import is_file_id
from services.contracts.ids import PARTS, is_request_id, is_space, part_of_request

REQUESTS, CONNECTIONS, DIRECTORY, OUTPUT = "REQUESTS", "CONNECTIONS", "DIRECTORY", "OUTPUT"
LIVE, LEASES, CLAIMS, KEYS = "ws_live", "ws_leases", "ws_claims", "ws_keys"
SESSIONS, SIGN_INS, KEY_USES = "ws_sessions", "ws_sign_ins", "ws_key_uses"
FILES = "OBJ_ws_files"
"""The stream of an object store (ADR-20 of NATS) has its prefix in its name, as the streams of buckets do."""

MSG_ID = "Nats-Msg-Id"
EXPECTED_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
TTL = "Nats-TTL"
ROLLUP, ROLLUP_SUBJECT = "Nats-Rollup", "sub"
"""What is stored with this replaces all that was under its subject."""
TRACEPARENT = "traceparent"

ALL_REQUESTS = "ws.req.>"
ALL_CONNECTIONS = "ws.conn.>"
BEGUN_CONNECTIONS, ENDED_CONNECTIONS = "ws.conn.*.connected", "ws.conn.*.disconnected"
ALL_DIRECTORY = "ws.dir.>"
ALL_OUTPUT = "ws.out.*"
ALL_REPORTS = "ws.agents.*"
HALTED_KEY = "halted"
ALL_AGENT_CLAIMS = "agent.>"
ALL_FILES, ALL_CHUNKS = "$O.ws_files.M.>", "$O.ws_files.C.>"

# The copy for people: `ws.evt.<space>.<type>.<rid>`, made by the server from committed events.
REPUBLISH_FROM = "ws.req.*.*.*.*.*.*"
REPUBLISH_TO = "ws.evt.{{wildcard(4)}}.{{wildcard(3)}}.{{wildcard(2)}}"
ALL_FOR_PEOPLE = "ws.evt.*.*.*"

NO_GATEWAY = "-"
FENCE = "ws.recovery."
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_AGENT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class InvalidToken(ValueError):
    """A value that must not become part of a subject; nothing was sent."""

    def __init__(self, what: str, value: str) -> None:
        super().__init__(f"{what} cannot be part of a subject: {value[:80]!r}")
        self.what, self.value = what, value


def token(what: str, value: str) -> str:
    """The value, when it is one harmless subject token. Raises InvalidToken."""
    if _TOKEN.fullmatch(value) is None:
        raise InvalidToken(what, value)
    return value


def _rid(value: str) -> str:
    if not is_request_id(value):
        raise InvalidToken("request id", value)
    return value


def _space(value: str) -> str:
    if not is_space(value):
        raise InvalidToken("space", value)
    return value


def part_token(part: int) -> str:
    """A partition as it stands in subjects and request ids: two hex digits."""
    if not 0 <= part < PARTS:
        raise InvalidToken("partition", str(part))
    return f"{part:02x}"


@dataclass(frozen=True, slots=True)
class RequestSubject:
    """What the subject of a request event says."""

    part: int
    rid: str
    type: str
    space: str
    agent_gateway: str
    origin: str


def request_event(rid: str, type: str, space: str, agent_gateway: str, origin: str) -> str:
    """The subject of one request event. `agent_gateway` is the gateway concerned with the agent, or NO_GATEWAY."""
    gateway = agent_gateway if agent_gateway == NO_GATEWAY else token("gateway", agent_gateway)
    part = part_token(part_of_request(_rid(rid)))
    return f"ws.req.{part}.{rid}.{token('type', type)}.{_space(space)}.{gateway}.{token('gateway', origin)}"


def parse_request_event(subject: str) -> RequestSubject:
    """The reverse of `request_event`, for subjects that come from the stream. Raises InvalidToken."""
    tokens = subject.split(".")
    if len(tokens) != 8:
        raise InvalidToken("request subject", subject)
    _, _, part, rid, type_, space, gateway, origin = tokens
    return RequestSubject(int(part, 16), rid, type_, space, gateway, origin)


def chain(rid: str) -> str:
    """The filter of all events of a request. Every writer sends exactly this string as the expectation's subject: the
    server's check is by string (measured)."""
    return f"ws.req.{part_token(part_of_request(_rid(rid)))}.{rid}.>"


def partition(part: int) -> str:
    """The filter of all requests of a partition."""
    return f"ws.req.{part_token(part)}.>"


def for_agent_gateway(gateway: str) -> list[str]:
    """Filters of what a gateway must act on because it holds (or held) the agent."""
    gateway = token("gateway", gateway)
    return [f"ws.req.*.*.{type_}.*.{gateway}.*" for type_ in ("assigned", "requeued", "failed", "canceled")]


def for_origin(gateway: str) -> list[str]:
    """Filters of what becomes of the requests that came in at a gateway."""
    return [f"ws.req.*.*.*.*.*.{token('gateway', gateway)}"]


def connection_event(conn: str, type: str) -> str:
    """The subject of an event of one agent connection."""
    return f"ws.conn.{token('connection', conn)}.{token('type', type)}"


def connection_chain(conn: str) -> str:
    """The filter of all events of one agent connection."""
    return f"ws.conn.{token('connection', conn)}.>"


def directory_event(kind: str, id: str, type: str) -> str:
    """The subject of a directory event."""
    return f"ws.dir.{token('kind', kind)}.{token('id', id)}.{token('type', type)}"


def directory_chain(kind: str, id: str) -> str:
    """The filter of all events of one directory entry."""
    return f"ws.dir.{token('kind', kind)}.{token('id', id)}.>"


def directory_entries(kind: str) -> str:
    """The filter of all events of all entries of a kind."""
    return f"ws.dir.{token('kind', kind)}.>"


def output(rid: str) -> str:
    """The subject of all output records of a request."""
    return f"ws.out.{_rid(rid)}"


def bucket_entry(bucket: str, key: str) -> str:
    """The subject of a key in a bucket."""
    return f"$KV.{bucket}.{key}"


def behind_fence(stream: str, subject: str) -> str:
    """Where recovery publishes what a stream is to hold under `subject`, as long as the stream takes nothing else."""
    return f"{FENCE}{token('stream', stream)}.{subject}"


def report(gateway: str) -> str:
    """Where a gateway reports what its agents have and hold."""
    return f"ws.agents.{token('gateway', gateway)}"


def control(id: str) -> str:
    """Where one gateway or dispatcher answers; no responders means that it is gone."""
    return f"ws.ctl.{token('service id', id)}"


def registry_rpc(operation: str) -> str:
    """A command to the registry."""
    return f"ws.rpc.registry.{token('operation', operation)}"


def history_rpc(operation: str) -> str:
    """A query to history."""
    return f"ws.rpc.history.{token('operation', operation)}"


def dispatcher_rpc(part: int, operation: str) -> str:
    """A query to the owner of a partition."""
    return f"ws.rpc.dispatcher.{part_token(part)}.{token('operation', operation)}"


def live_key(service: str, id: str) -> str:
    """The key under which a process shows that it is alive."""
    return f"{token('service', service)}.{token('service id', id)}"


def lease_key(part: int) -> str:
    """The key of a partition's lease."""
    return f"part.{part_token(part)}"


def idempotency_key(digest: str) -> str:
    """The key of an idempotency record: the digest of caller, space and the caller's key."""
    return token("digest", digest)


def session_key(digest: str) -> str:
    """The key of a sign-in session: the digest of its token."""
    return token("digest", digest)


def sign_ins_key(digest: str) -> str:
    """The key of the failed sign-ins of an e-mail address: the digest of the address."""
    return token("digest", digest)


def key_use_key(key_id: str) -> str:
    """The key of the last use of an API key or agent key."""
    return token("key id", key_id)


def agent_claim(agent: str) -> str:
    """The key of the claim on an agent identity; `agent` is `<owner>/<name>` as made by `agent_identity`. A dot of the
    name, which would begin a new token, stands as `=`, which no name has."""
    owner, _, name = agent.partition("/")
    if _AGENT_NAME.fullmatch(name) is None:
        raise InvalidToken("agent", agent)
    return f"agent.{token('owner', owner)}/{name.replace('.', '=')}"


def space_claim(space: str) -> str:
    """The key of the claim on a space of policy `one`."""
    return f"space.{_space(space)}"


def file_record(id: str) -> str:
    """Where the record of a file is, by its id."""
    if not is_file_id(id):
        raise InvalidToken("file id", id)
    return f"$O.ws_files.M.{base64.urlsafe_b64encode(id.encode()).decode()}"


def file_chunks(nuid: str) -> str:
    """Where the bytes of a file are, one chunk after the other."""
    return f"$O.ws_files.C.{token('chunks', nuid)}"
