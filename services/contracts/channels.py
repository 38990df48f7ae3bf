"""Who says what to whom: every subject with its messages, senders and receivers. The published AsyncAPI document is made of
this, and the permissions of each service are tested against it.

Senders and receivers are the users of `deploy/nats/permissions.conf`; NATS stands for the server itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from services.contracts import (
    agent_details,
    audit,
    connections,
    directory,
    events,
    file_use,
    files,
    lists,
    output,
    platform,
    reports,
    rpc,
    series,
    sign_in,
    subjects,
)
from services.contracts.idempotency import KeyRecord
from services.contracts.ownership import PartitionLease

GATEWAY, REGISTRY, DISPATCHER, HISTORY = "gateway", "registry", "dispatcher", "history"
RECOVERY, OPERATOR, OBSERVER, NATS = "recovery", "operator", "observer", "nats"

Messages = tuple[type, ...]

PARAMETERS: Mapping[str, str] = {
    "part": "The partition, two hex digits; all requests of a space are in one.",
    "rid": "The request's id, 34 hex digits, of which the last two are its partition.",
    "type": "The type of the event, as in its payload.",
    "space": "The space's slug.",
    "agent_gateway": "The gateway that holds the agent concerned, or `-`.",
    "origin": "The gateway where the request came in.",
    "conn": "The id of the agent's connection.",
    "kind": "The kind of the entry: `user`, `space` or `key`.",
    "id": "The id of the entry, or of the process.",
    "gateway": "The gateway's id, new with each process.",
    "service": "The kind of the process: `gateway`, `registry`, `dispatcher` or `history`.",
    "digest": "The digest of caller, space and Idempotency-Key.",
    "session": "The digest of the session's token.",
    "address": "The digest of the e-mail address.",
    "key": "The id of the API key or agent key.",
    "owner": "The id of the user whose agent it is.",
    "agent": "The agent's name, with `=` in place of dots.",
    "stream": "The stream that is made anew.",
    "file": "The file's id in base64url (RFC 4648, 5).",
    "nuid": "The name of the file's bytes, as its record has it.",
    "subject": "The whole subject under which the stream is to hold the message.",
}
"""What each parameter of an address is."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A subject. `address` has its parameters in braces; `sent` and `received` say who sends and receives which messages;
    `stream`: where they rest (empty: nowhere); `replies`: what is answered, if anything."""

    name: str
    address: str
    summary: str
    sent: Mapping[str, Messages]
    received: Mapping[str, Messages]
    stream: str = ""
    replies: Messages = field(default=())

    @property
    def messages(self) -> Messages:
        """Everything that is seen here; what recovery brings back is sent elsewhere."""
        return tuple(dict.fromkeys(message for each in (*self.sent.values(), *self.received.values()) for message in each))


_REQUEST: Messages = get_args(events.RequestEvent)
_CONNECTION: Messages = get_args(connections.ConnectionEvent)
_DIRECTORY: Messages = get_args(directory.DirectoryEvent)
_FROM_GATEWAYS = (
    events.Accepted,
    events.Requeued,
    events.Succeeded,
    events.Failed,
    events.Canceled,
    events.Erased,
)
_FROM_DISPATCHERS = (events.Assigned, events.Requeued, events.Expired, events.Failed)


def _call(service: str, operation: str, question: type, answer: type, *callers: str) -> Channel:
    """A question to a micro service; the owner of a partition is asked by its number."""
    address = f"ws.rpc.{service}.{'{part}.' if service == DISPATCHER else ''}{operation}"
    summary = " ".join((question.__doc__ or "").split()).partition(". ")[0].removesuffix(".") + "."
    sent = dict.fromkeys(callers, (question,))
    return Channel(f"{service}_{operation}", address, summary, sent, {service: (question,)}, "", (answer, rpc.RpcError))


EVENTS = (
    Channel(
        "requests",
        "ws.req.{part}.{rid}.{type}.{space}.{agent_gateway}.{origin}",
        "Everything that happens to requests: each event is appended expecting the one before it.",
        {GATEWAY: _FROM_GATEWAYS, DISPATCHER: _FROM_DISPATCHERS, HISTORY: (events.Erased,)},
        dict.fromkeys((GATEWAY, DISPATCHER, HISTORY, RECOVERY, OPERATOR, OBSERVER), _REQUEST),
        subjects.REQUESTS,
    ),
    Channel(
        "requests_for_people",
        "ws.evt.{space}.{type}.{rid}",
        "A copy of the committed events of requests. It may miss some: only people may depend on it.",
        {NATS: _REQUEST},
        {OPERATOR: _REQUEST, OBSERVER: _REQUEST},
    ),
    Channel(
        "connections",
        "ws.conn.{conn}.{type}",
        "What happens to the connections of agents.",
        {REGISTRY: (connections.Connected, connections.Disconnected), GATEWAY: (connections.Refused,)},
        dict.fromkeys((REGISTRY, HISTORY, RECOVERY, OPERATOR, OBSERVER), _CONNECTION),
        subjects.CONNECTIONS,
    ),
    Channel(
        "directory",
        "ws.dir.{kind}.{id}.{type}",
        "Users, spaces and keys.",
        {REGISTRY: _DIRECTORY},
        dict.fromkeys((GATEWAY, REGISTRY, DISPATCHER, HISTORY, RECOVERY, OPERATOR), _DIRECTORY),
        subjects.DIRECTORY,
    ),
    Channel(
        "output",
        "ws.out.{rid}",
        "What handlers say before their outcome, kept for an hour.",
        {GATEWAY: (output.OutputRecord,)},
        dict.fromkeys((GATEWAY, OPERATOR, OBSERVER), (output.OutputRecord,)),
        subjects.OUTPUT,
    ),
    Channel(
        "recovery",
        "ws.recovery.{stream}.{subject}",
        "What a stream that is made anew is to hold; the stream alone takes it, and stores it under `subject`.",
        {RECOVERY: (events.Restored, *_DIRECTORY, KeyRecord)},
        {},
        "the one named",
    ),
)
"""Events and records."""
PROCESSES = (
    Channel(
        "reports",
        "ws.agents.{gateway}",
        "What a gateway's agents have and hold, on change and in full every 2 s.",
        {GATEWAY: (reports.Report,)},
        dict.fromkeys((DISPATCHER, REGISTRY, OPERATOR, OBSERVER), (reports.Report,)),
    ),
    Channel(
        "control",
        "ws.ctl.{id}",
        "Questions to one gateway or dispatcher; no responders means that it is gone.",
        {
            DISPATCHER: (reports.Ping, reports.Deliver, reports.ReportAll),
            GATEWAY: (reports.DrainAgent, reports.DisconnectAgent, reports.DescribeAgents),
        },
        {GATEWAY: get_args(reports.Control), DISPATCHER: (reports.Ping,)},
        replies=(reports.ControlAnswer, agent_details.AgentsDetails),
    ),
)
"""What processes tell and ask each other."""
CALLS = (
    _call(REGISTRY, "attach", rpc.Attach, rpc.Attached, GATEWAY),
    _call(REGISTRY, "detach", rpc.Detach, rpc.Recorded, GATEWAY),
    _call(REGISTRY, "create_user", rpc.CreateUser, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "disable_user", rpc.DisableUser, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "enable_user", rpc.EnableUser, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "set_role", rpc.SetRole, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "create_space", rpc.CreateSpace, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "edit_space", rpc.EditSpace, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "switch_space", rpc.SwitchSpace, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "set_member", rpc.SetMember, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "remove_member", rpc.RemoveMember, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "delete_space", rpc.DeleteSpace, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "create_key", rpc.CreateKey, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "revoke_key", rpc.RevokeKey, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "check_password", sign_in.CheckPassword, sign_in.PasswordChecked, GATEWAY, OPERATOR),
    _call(REGISTRY, "change_password", sign_in.ChangePassword, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "make_password_reset", sign_in.MakePasswordReset, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "reset_password", sign_in.ResetPassword, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "sign_up", sign_in.SignUp, rpc.Recorded, GATEWAY, OPERATOR),
    _call(REGISTRY, "agents", rpc.GetAgents, rpc.Agents, GATEWAY, OPERATOR, OBSERVER),
    _call(HISTORY, "chain", rpc.GetChain, rpc.Chain, GATEWAY, OPERATOR, OBSERVER),
    _call(HISTORY, "open", rpc.GetOpen, rpc.OpenPage, DISPATCHER, OPERATOR),
    _call(HISTORY, "requests", lists.ListRequests, lists.RequestsPage, GATEWAY, OPERATOR, OBSERVER),
    _call(HISTORY, "connections", lists.ListConnections, lists.ConnectionsPage, GATEWAY, OPERATOR, OBSERVER),
    _call(HISTORY, "audit", audit.ListAudit, audit.AuditPage, GATEWAY, OPERATOR),
    _call(HISTORY, "stats", lists.GetStats, lists.Stats, GATEWAY, OPERATOR, OBSERVER),
    _call(HISTORY, "series", series.GetSeries, series.Series, GATEWAY, OPERATOR),
    _call(HISTORY, "attention", platform.GetAttention, platform.Attention, GATEWAY, OPERATOR),
    _call(HISTORY, "record", platform.GetRecord, platform.Record, GATEWAY, OPERATOR),
    _call(HISTORY, "file_use", file_use.GetFileUse, file_use.FileUse, GATEWAY, OPERATOR),
    _call(HISTORY, "positions", rpc.GetPositions, rpc.Positions, GATEWAY, DISPATCHER, OPERATOR, OBSERVER),
    _call(DISPATCHER, "place", rpc.GetQueue, rpc.QueuePlace, GATEWAY, OBSERVER),
    _call(DISPATCHER, "queue", rpc.GetSpaceQueue, rpc.SpaceQueue, GATEWAY),
    _call(DISPATCHER, "overview", rpc.GetSpaceOverview, rpc.SpaceOverview, GATEWAY),
)
"""Operations of the micro services."""
BUCKETS = (
    Channel(
        "alive",
        "$KV.ws_live.{service}.{id}",
        "A key for each process, as long as it lives; its value says which one it is.",
        dict.fromkeys((GATEWAY, REGISTRY, DISPATCHER, HISTORY), (platform.Alive,)),
        dict.fromkeys((GATEWAY, REGISTRY, DISPATCHER, HISTORY, OPERATOR, OBSERVER), (platform.Alive,)),
        "KV_ws_live",
    ),
    Channel(
        "halted",
        "$KV.ws_live.halted",
        "As long as this key is there, nothing is admitted or decided; its value says why.",
        dict.fromkeys((HISTORY, RECOVERY), (str,)),
        dict.fromkeys((GATEWAY, REGISTRY, DISPATCHER, HISTORY, RECOVERY, OPERATOR, OBSERVER), (str,)),
        "KV_ws_live",
    ),
    Channel(
        "leases",
        "$KV.ws_leases.part.{part}",
        "Who owns a partition.",
        {DISPATCHER: (PartitionLease,)},
        dict.fromkeys((DISPATCHER, OPERATOR, OBSERVER), (PartitionLease,)),
        "KV_ws_leases",
    ),
    Channel(
        "agent_claims",
        "$KV.ws_claims.agent.{owner}/{agent}",
        "Which connection is an agent's.",
        {REGISTRY: (rpc.Claim,)},
        dict.fromkeys((GATEWAY, REGISTRY, OPERATOR, OBSERVER), (rpc.Claim,)),
        "KV_ws_claims",
    ),
    Channel(
        "space_claims",
        "$KV.ws_claims.space.{space}",
        "Which agent serves a space of policy `one`.",
        {REGISTRY: (rpc.Claim,)},
        dict.fromkeys((GATEWAY, REGISTRY, OPERATOR, OBSERVER), (rpc.Claim,)),
        "KV_ws_claims",
    ),
    Channel(
        "idempotency_keys",
        "$KV.ws_keys.{digest}",
        "The request that a submission with this Idempotency-Key made; kept for a day.",
        {GATEWAY: (KeyRecord,)},
        dict.fromkeys((GATEWAY, RECOVERY, OPERATOR), (KeyRecord,)),
        "KV_ws_keys",
    ),
    Channel(
        "sessions",
        "$KV.ws_sessions.{session}",
        "Who is signed in; kept for 14 days.",
        {GATEWAY: (sign_in.SessionRecord,)},
        dict.fromkeys((GATEWAY, OPERATOR), (sign_in.SessionRecord,)),
        "KV_ws_sessions",
    ),
    Channel(
        "failed_sign_ins",
        "$KV.ws_sign_ins.{address}",
        "Wrong passwords of an e-mail address within the last 15 minutes.",
        {REGISTRY: (sign_in.FailedSignIns,)},
        dict.fromkeys((REGISTRY, OPERATOR), (sign_in.FailedSignIns,)),
        "KV_ws_sign_ins",
    ),
    Channel(
        "key_uses",
        "$KV.ws_key_uses.{key}",
        "When a key was used last, to a minute.",
        {GATEWAY: (sign_in.KeyUse,)},
        dict.fromkeys((GATEWAY, OPERATOR), (sign_in.KeyUse,)),
        "KV_ws_key_uses",
    ),
)
"""Keys of buckets."""
FILES = (
    Channel(
        "files",
        "$O.ws_files.M.{file}",
        "The record of each file, an object's info in the format of NATS's object stores.",
        dict.fromkeys((GATEWAY, HISTORY), (files.FileMeta,)),
        dict.fromkeys((GATEWAY, HISTORY, OPERATOR), (files.FileMeta,)),
        subjects.FILES,
    ),
    Channel(
        "file_chunks",
        "$O.ws_files.C.{nuid}",
        "The bytes of a file, in pieces of at most 128 KiB; an empty piece takes the place of what was deleted.",
        dict.fromkeys((GATEWAY, HISTORY), (bytes,)),
        dict.fromkeys((GATEWAY, HISTORY, OPERATOR), (bytes,)),
        subjects.FILES,
    ),
)
"""Files."""
CHANNELS = (*EVENTS, *PROCESSES, *CALLS, *BUCKETS, *FILES)
