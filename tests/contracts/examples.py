"""One value of everything that crosses a wire or rests in a stream, with every field unlike its default."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import msgspec

from services.contracts import (
    agent_details,
    audit,
    connections,
    directory,
    events,
    file_use,
    files,
    idempotency,
    lists,
    output,
    ownership,
    platform,
    reports,
    requests,
    rpc,
    series,
    sign_in,
)
from spaces_agent import frames

RAW = msgspec.Raw(b'{"pixels":[0,16,5.5],"note":"\xc3\xa4"}')
RID = "018bcfe5680070000000000000000000" + "0b"
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STATE = "vendor=00f067aa0ba902b7"
META: dict[str, Any] = {"team": "vision", "nested": {"n": 1}}
FILE = f"{RID}.42.{RID[:32]}"

_EVENT: dict[str, Any] = {
    "id": "0" * 31 + "1",
    "rid": RID,
    "space": "demo",
    "prev_seq": 41,
    "attempt": 2,
    "actor": "user:u1",
    "origin": "gateway-1",
}
_TIMES: dict[str, Any] = {"started_s": 0.25, "run_s": 1.5, "first_output_s": 0.5, "last_index": 7, "log_tail": "done\n"}
_RUN: dict[str, Any] = {"agent": "u1/gpu", "gateway": "gateway-2", **_TIMES}

ACCEPTED = events.Accepted(
    **_EVENT,
    user="u1",
    key_id="k1",
    input=RAW,
    body_sha256=SHA,
    start_timeout_s=3600.0,
    execution_timeout_s=120.0,
    priority=5,
    max_attempts=3,
    key_digest="d1",
    retry_of=RID,
    metadata=META,
    traceparent=TRACE,
    tracestate=STATE,
    limits=events.Limits(max_in_flight=4),
    retention_s=86400.0,
    files=("u1." + "0" * 32,),
    input_file="u1." + "0" * 31 + "1",
)
REQUEST_EVENTS: list[msgspec.Struct] = [
    ACCEPTED,
    events.Assigned(
        **_EVENT,
        agent="u1/gpu",
        conn="c1",
        gateway="gateway-2",
        user="u1",
        input=RAW,
        execution_timeout_s=120.0,
        retries_left=2,
        retry_delay_s=1.0,
        metadata=META,
        traceparent=TRACE,
        tracestate=STATE,
        key_id="k1",
        files=(FILE,),
        input_file=FILE,
    ),
    events.Requeued(
        **_EVENT,
        reason="retryable",
        gateway="gateway-2",
        started=True,
        agent="u1/gpu",
        conn="c1",
        detail="CUDA out of memory",
        delay_s=2.0,
    ),
    events.Succeeded(
        **_EVENT,
        **_RUN,
        output=RAW,
        output_sha256=SHA,
        files=(f"{RID}.42." + "0" * 32,),
        output_file=f"{RID}.42." + "0" * 31 + "1",
    ),
    events.Failed(**_EVENT, **_RUN, error=events.Problem(code="handler_error", message="ValueError", retryable=True)),
    events.Canceled(**_EVENT, gateway="gateway-2"),
    events.Expired(**_EVENT),
    events.Erased(**_EVENT),
    events.Restored(
        **_EVENT,
        accepted=ACCEPTED,
        accepted_at="2026-01-02T03:04:05.678900Z",
        waiting_since="2026-01-02T03:34:05.678900Z",
        failures=1,
        losses=2,
    ),
]

_CONNECTION: dict[str, Any] = {"id": "0" * 31 + "2", "conn": "c1", "agent": "u1/gpu", "gateway": "gateway-2"}
CONNECTION_EVENTS: list[msgspec.Struct] = [
    connections.Connected(**_CONNECTION, boot_id="b1", spaces=["demo"], slots=4, version="0.1.0", address="192.0.2.1"),
    connections.Disconnected(**_CONNECTION, reason="goodbye", code=1000, connected_s=12.5),
    connections.Refused(**_CONNECTION, rid=RID, lease=42, frame="result", reason="stale_lease"),
]

_ENTRY: dict[str, Any] = {"id": "0" * 31 + "3", "prev_seq": 7, "actor": "user:u1"}
_KEY: dict[str, Any] = {"key_id": "k1", "user": "u1", "key_hash": SHA, "name": "gpu box", "spaces": ["demo"]}
_SETTINGS: dict[str, Any] = {
    "title": "A demo",
    "connections": "one",
    "start_timeout_s": 60.0,
    "execution_timeout_s": 30.0,
    "max_attempts": 2,
    "on_no_agent": "reject",
    "queue_limit": 100,
    "visibility": "private",
    "features": ("prompt", "audio"),
    "input_schema": {"type": "object", "required": ["prompt"]},
    "example_input": {"prompt": "hello"},
    "max_in_flight": 8,
    "max_in_flight_per_user": 2,
    "retention_s": 2592000.0,
}
_LIMITS: dict[str, Any] = {"scopes": ("read",), "expires_at": "2026-01-02T00:00:00.000000Z"}
DIRECTORY_EVENTS: list[msgspec.Struct] = [
    directory.UserCreated(**_ENTRY, user="u1", email="a@example.org", role="admin", password_hash="$argon2id$v=19$x"),
    directory.UserDisabled(**_ENTRY, user="u1"),
    directory.UserEnabled(**_ENTRY, user="u1"),
    directory.UserRoleSet(**_ENTRY, user="u1", role="admin"),
    directory.PasswordChanged(**_ENTRY, user="u1", password_hash="$argon2id$v=19$y"),
    directory.PasswordResetMade(**_ENTRY, user="u1", token_hash=SHA, expires_at=_LIMITS["expires_at"]),
    directory.SpaceCreated(
        **_ENTRY,
        space="demo",
        owner="u1",
        **_SETTINGS,
    ),
    directory.SpaceEdited(**_ENTRY, space="demo", **_SETTINGS),
    directory.SpaceEnabled(**_ENTRY, space="demo"),
    directory.SpaceDisabled(**_ENTRY, space="demo"),
    directory.SpacePaused(**_ENTRY, space="demo"),
    directory.SpaceResumed(**_ENTRY, space="demo"),
    directory.SpaceMemberSet(**_ENTRY, space="demo", user="u2", role="submitter"),
    directory.SpaceMemberRemoved(**_ENTRY, space="demo", user="u2"),
    directory.SpaceDeleted(**_ENTRY, space="demo"),
    directory.ApiKeyCreated(**_ENTRY, **_KEY, **_LIMITS, origins=["https://example.org"], max_in_flight=4),
    directory.AgentKeyCreated(**_ENTRY, **_KEY, expires_at=_LIMITS["expires_at"]),
    directory.KeyRevoked(**_ENTRY, key_id="k1"),
]

_LEASE: dict[str, Any] = {"request_id": RID, "attempt": 2, "lease": 42}
_ACCESS = frames.FileAccess(
    ref=f"/v1/files/{FILE}",
    url=f"/v1/files/{FILE}/content?token=t",
    size=5,
    sha256=SHA,
    name="cat.png",
    media_type="image/png",
)
AGENT_FRAMES: list[msgspec.Struct] = [
    frames.Hello(
        agent_id="gpu",
        boot_id="b1",
        spaces=["demo"],
        slots=4,
        protocol_min=0,
        protocol_max=2,
        version="0.1.0",
        state="loading",
        labels={"gpu": "a100"},
        in_flight=[frames.InFlight(**_LEASE, state="result_pending", last_index=7)],
    ),
    frames.Heartbeat(running=[42], state="loading"),
    frames.Accept(**_LEASE),
    frames.Reject(**_LEASE, reason="full", retry_after=1.5),
    frames.Output(**_LEASE, index=7, kind="log", data=msgspec.Raw(b'["loaded"]')),
    frames.Result(
        **_LEASE,
        status="failed",
        sha256=SHA,
        output=RAW,
        output_file=FILE,
        error=frames.HandlerError(code="handler_error", message="ValueError", retryable=True),
        **_TIMES,
    ),
    frames.Stopped(**_LEASE, outcome="stopped"),
    frames.Goodbye(reason="restart"),
]
GATEWAY_FRAMES: list[msgspec.Struct] = [
    frames.Welcome(
        session_id="c1",
        gateway_id="gateway-2",
        spaces=[frames.SpaceVerdict(space="demo", accepted=False, reason="occupied")],
        protocol=2,
        heartbeat_s=5.0,
        grace_s=10.0,
        max_frame_bytes=4096,
        max_inline_bytes=2048,
        window=8,
        verdicts=[frames.LeaseVerdict(request_id=RID, lease=42, verdict="continue", resend_from=8)],
    ),
    frames.HeartbeatAck(routable=False),
    frames.Assign(
        **_LEASE,
        space="demo",
        deadline_s=120.0,
        input=RAW,
        user="u1",
        traceparent=TRACE,
        tracestate=STATE,
        metadata=META,
        files=(_ACCESS,),
        input_file=_ACCESS,
        upload_url="/v1/files?token=t",
    ),
    frames.OutputAck(**_LEASE, index=7),
    frames.ResultAck(**_LEASE, outcome="accepted"),
    frames.Cancel(**_LEASE, reason="canceled", grace_s=5.0),
    frames.Drain(reason="maintenance"),
    frames.Goaway(reason="drain", reconnect_after_s=0.5),
    frames.Error(code="bad_frame", message="no such frame", request_id=RID, fatal=True),
]

_PROGRESS = output.Progress(fraction=0.5, message="step 3 of 6")
RECORDS: list[msgspec.Struct] = [
    _PROGRESS,
    output.OutputRecord(rid=RID, attempt=2, lease=42, index=7, kind="chunk", data=msgspec.Raw(b'"so "'), progress=_PROGRESS),
    files.FileMeta(
        name=f"u1.{RID[:32]}",
        bucket=files.BUCKET,
        nuid="0" * 31 + "4",
        size=5,
        chunks=1,
        digest="SHA-256=LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
        deleted=True,
        metadata={"state": "complete", "kind": "upload", "space": "demo", "owner": "u1"},
        options={"max_chunk_size": files.CHUNK_BYTES},
    ),
]

_LOGGED = rpc.LoggedEvent(seq=42, at=1767323045678900000, subject=f"ws.req.0b.{RID}.expired.demo.-.gateway-1", data=RAW)
_AGENT = rpc.ConnectedAgent(
    agent="u1/gpu", conn="c1", gateway="gateway-2", spaces=["demo"], slots=4, state="ready", running=2
)
_HELD = reports.Held(rid=RID, attempt=2, lease=42, state="running", running_s=1.5)
_LATENCY = series.Latency(p50=0.25, p90=1.25, p99=2.5)
_BUCKET = series.Bucket(accepted=9, ended={"succeeded": 7}, queue_s=_LATENCY, run_s=_LATENCY, waiting=2, agents=3)
_RECORDED = platform.RecordedStream(
    stream="REQUESTS", messages=9, bytes=4096, max_bytes=8192, replicas=3, missing=1, behind=2, behind_s=0.5
)
_ATTENTION = platform.SpaceAttention(
    space="demo", waiting=3, oldest_at=1767323045678900000, depths=[1, 2], judged=20, failed=4
)
_CONNECTIONS = platform.AgentConnections(agent="u1/gpu", connections=5)
_PERCENTILES = lists.Percentiles(p50=0.5, p95=1.5, p99=2.5)
_DONE = audit.AuditEntry(
    place=lists.Place(at=1767323045678900000, key="ws.dir.key.k1.key_revoked"),
    id="0" * 31 + "3",
    type="key_revoked",
    actor="user:u1",
    kind="key",
    entry="k1",
    event=msgspec.Raw(b'{"type":"key_revoked"}'),
    user="u2",
    name="gpu box",
)
_PAST = lists.PastConnection(
    place=lists.Place(at=1767323045678900000, key="ws.conn.c1.connected"),
    conn="c1",
    agent="u1/gpu",
    gateway="gateway-2",
    spaces=["demo"],
    slots=4,
    version="0.1.0",
    address="192.0.2.1",
    ended_at=1767323045678900001,
    reason="goodbye",
    code=1000,
    connected_s=12.5,
)
_CHAIN = rpc.Chain(events=[_LOGGED], refused=[_LOGGED])
MESSAGES: list[msgspec.Struct] = [
    rpc.RpcError(code="locked_out", message="too many wrong passwords for this address", retry_after_s=899.5),
    rpc.Attach(
        conn="c1",
        gateway="gateway-2",
        agent="u1/gpu",
        boot_id="b1",
        spaces=["demo"],
        slots=4,
        version="0.1.0",
        address="192.0.2.1",
    ),
    rpc.SpaceAnswer(space="demo", accepted=False, reason="occupied"),
    rpc.Attached(spaces=[rpc.SpaceAnswer(space="demo", accepted=True)], revision=7),
    rpc.Detach(
        conn="c1", gateway="gateway-2", agent="u1/gpu", spaces=["demo"], reason="goodbye", code=1000, connected_s=12.5
    ),
    rpc.Claim(agent="u1/gpu", conn="c1", gateway="gateway-2", boot_id="b1"),
    rpc.CreateUser(email="a@example.org", password="long enough", role="admin", actor="user:u1"),
    rpc.DisableUser(user="u1", actor="user:u2"),
    rpc.EnableUser(user="u1", actor="user:u2"),
    rpc.SetRole(user="u1", role="admin", actor="user:u2"),
    rpc.CreateSpace(
        space="demo",
        owner="u1",
        **_SETTINGS,
        actor="user:u1",
    ),
    rpc.EditSpace(space="demo", **_SETTINGS, actor="user:u1"),
    rpc.SwitchSpace(space="demo", to="pause", actor="user:u1"),
    rpc.SetMember(space="demo", user="u2", role="viewer", actor="user:u1"),
    rpc.RemoveMember(space="demo", user="u2", actor="user:u1"),
    rpc.DeleteSpace(space="demo", actor="user:u1"),
    rpc.CreateKey(kind="agent", **_KEY, **_LIMITS, origins=["https://example.org"], max_in_flight=4, actor="user:u1"),
    rpc.RevokeKey(key_id="k1", actor="user:u1"),
    rpc.GetAgents(owner="u1", agent="u1/gpu"),
    _AGENT,
    rpc.Agents(agents=[_AGENT]),
    rpc.Recorded(seq=42, id="demo"),
    _LOGGED,
    rpc.GetChain(rid=RID),
    _CHAIN,
    rpc.GetOpen(part=11, after=RID),
    rpc.OpenPage(epoch=1, seq=42, chains=[_CHAIN], next=RID),
    rpc.Position(stream="REQUESTS", epoch=1, seq=42),
    file_use.GetFileUse(file="u1." + RID[:32], recorded=rpc.Position(stream="REQUESTS", epoch=1, seq=42)),
    file_use.FileUse(open=True),
    rpc.GetPositions(wanted=rpc.Position(stream="REQUESTS", epoch=1, seq=42)),
    rpc.Positions(positions=[rpc.Position(stream="REQUESTS", epoch=1, seq=42)]),
    lists.Place(at=1767323045678900000, key=RID),
    lists.ListRequests(
        limit=20,
        user="u1",
        spaces=["demo"],
        statuses=["queued", "failed"],
        since=1767323045678900000,
        until=1767323045678900001,
        beside=lists.Place(at=1767323045678900000, key=RID),
        direction="newer",
        recorded=rpc.Position(stream="REQUESTS", epoch=1, seq=42),
    ),
    lists.RequestsPage(requests=[requests.begin(ACCEPTED, 42, 1767323045678900000)], more=True),
    lists.ListConnections(
        limit=20,
        owner="u1",
        agent="u1/gpu",
        space="demo",
        within=["demo"],
        beside=lists.Place(at=1767323045678900000, key="ws.conn.c1.connected"),
        direction="newer",
    ),
    _PAST,
    lists.ConnectionsPage(connections=[_PAST], more=True),
    audit.ListAudit(
        limit=20,
        actor="user:u1",
        user="u2",
        space="demo",
        types=["user_role_set"],
        since=1767323045678900000,
        until=1767323045678900001,
        beside=lists.Place(at=1767323045678900000, key="ws.dir.user.u2.user_role_set"),
        direction="newer",
        recorded=rpc.Position(stream="DIRECTORY", epoch=1, seq=42),
    ),
    audit.AuditPage(entries=[_DONE], more=True),
    lists.GetStats(
        since=1767323045678900000,
        until=1767326645678900000,
        user="u1",
        spaces=["demo"],
        recorded=rpc.Position(stream="REQUESTS", epoch=1, seq=42),
    ),
    _PERCENTILES,
    lists.Stats(accepted=9, ended={"succeeded": 7}, sampled=7, queue_s=_PERCENTILES, run_s=_PERCENTILES),
    _LATENCY,
    _BUCKET,
    series.GetSeries(
        since=1767323045678900000,
        bucket_s=30,
        buckets=120,
        user="u1",
        spaces=["demo"],
        space="demo",
        within=["demo"],
        recorded=rpc.Position(stream="REQUESTS", epoch=1, seq=42),
    ),
    series.Series(buckets=[_BUCKET], sampled=7, queue_s=_LATENCY, run_s=_LATENCY),
    platform.Alive(since=1767323045678900000, version="0.1.0", host="node-1"),
    platform.GetRecord(),
    _RECORDED,
    platform.Record(reachable=True, version="18.1", size_bytes=9_812_455, conflicts=1, whole=False, streams=[_RECORDED]),
    platform.GetAttention(
        depths_at=[1767323045678900000],
        outcomes=20,
        outcomes_since=1767323045678900000,
        connections_since=1767323045678900001,
        user="u1",
        spaces=["demo"],
        recorded=rpc.Position(stream="REQUESTS", epoch=1, seq=42),
    ),
    _ATTENTION,
    _CONNECTIONS,
    platform.Attention(spaces=[_ATTENTION], agents=[_CONNECTIONS]),
    rpc.GetQueue(rid=RID),
    rpc.QueuePlace(position=3, reason="agents_busy", eta_s=12.5),
    rpc.GetSpaceQueue(space="demo"),
    rpc.SpaceQueue(waiting=3, online=True),
    rpc.GetSpaceOverview(space="demo"),
    rpc.WaitingRequest(rid=RID, user="0123456789abcdef"),
    rpc.SpaceOverview(
        waiting=1,
        delayed=1,
        processing=2,
        agents={"ready": 1},
        oldest_s=4.5,
        slots=2,
        free=1,
        eta_s=2.5,
        next=[rpc.WaitingRequest(rid=RID, user="0123456789abcdef")],
    ),
    _HELD,
    reports.AgentReport(
        agent="u1/gpu", conn="c1", boot_id="b1", spaces=["demo"], slots=4, state="draining", held=[_HELD], gone=True
    ),
    reports.Report(
        gateway="gateway-2",
        number=9,
        full=True,
        agents=[reports.AgentReport(agent="u1/gpu", conn="c1", boot_id="b1", spaces=["demo"], slots=4)],
    ),
    reports.Ping(),
    reports.ReportAll(),
    reports.Deliver(rid=RID, lease=42),
    reports.DrainAgent(conn="c1"),
    reports.DisconnectAgent(conn="c1"),
    reports.DescribeAgents(conns=["c1"], held=True),
    agent_details.HeldRequest(rid=RID, attempt=2, space="demo", user="u1", state="running", running_s=1.5),
    agent_details.AgentDetails(
        conn="c1",
        connected_at=1767323045678900000,
        version="0.1.0",
        labels={"gpu": "a100"},
        address="192.0.2.1",
        round_trip_s=0.02,
        held=[agent_details.HeldRequest(rid=RID, attempt=2)],
    ),
    agent_details.AgentsDetails(agents=[agent_details.AgentDetails(conn="c1", connected_at=1767323045678900000)]),
    reports.ControlAnswer(answer="held"),
    idempotency.KeyRecord(rid=RID, body_sha256=SHA),
    ownership.PartitionLease(owner="dispatcher-1"),
    sign_in.CheckPassword(email="a@example.org", password="long enough"),
    sign_in.PasswordChecked(user="u1", seq=42),
    sign_in.ChangePassword(user="u1", current_password="long enough", new_password="longer still", actor="user:u1"),
    sign_in.MakePasswordReset(user="u1", token_hash=SHA, expires_at=_LIMITS["expires_at"], actor="user:u2"),
    sign_in.ResetPassword(token_hash=SHA, password="long enough"),
    sign_in.SignUp(email="a@example.org", password="long enough"),
    sign_in.SessionRecord(user="u1", made_at=1735725600000000000, password_seq=42),
    sign_in.FailedSignIns(at=[1735725600000000000]),
    sign_in.KeyUse(at=1735725600000000000),
]

FAMILIES: dict[str, list[msgspec.Struct]] = {
    "request": REQUEST_EVENTS,
    "connection": CONNECTION_EVENTS,
    "directory": DIRECTORY_EVENTS,
    "agent_frame": AGENT_FRAMES,
    "gateway_frame": GATEWAY_FRAMES,
    "record": RECORDS,
    "message": MESSAGES,
}

_PARTS_AND_ROOTS = {
    audit.AuditEntry,
    events.Event,
    events.Limits,
    events.Problem,
    connections.ConnectionEventBase,
    directory.DirectoryEventBase,
    files.File,
    frames.Frame,
    frames.RequestFrame,
    frames.InFlight,
    frames.FileAccess,
    frames.HandlerError,
    frames.SpaceVerdict,
    frames.LeaseVerdict,
    rpc.Message,
}


def named() -> dict[str, msgspec.Struct]:
    """Every example under the name of its golden file."""
    return {f"{family}.{type(value).__name__}": value for family, values in FAMILIES.items() for value in values}


def wire_types() -> Iterator[type[msgspec.Struct]]:
    """Every struct of the contracts."""
    modules: tuple[ModuleType, ...] = (
        *(events, connections, directory, files, frames, output),
        *(audit, rpc, agent_details, file_use, lists, reports, idempotency, ownership, sign_in, series, platform),
    )
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == module.__name__:
                yield value


def travelling_types() -> set[type[msgspec.Struct]]:
    """Those that travel by themselves."""
    return set(wire_types()) - _PARTS_AND_ROOTS
