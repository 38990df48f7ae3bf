"""For each alert series on which it must fire, and others on which it must not, in promtool's notation: a sample a minute,
`0+3x90` begins at 0 and grows by 3 for 90 minutes. All are looked at after 80 minutes."""

from typing import NamedTuple

Series = dict[str, str]


class Case(NamedTuple):
    """What must make it fire, and what looks much like that and must not."""

    bad: Series
    good: Series


AT = '{job="spaces",instance="i1"}'
ON = '{job="spaces",instance="i2"}'
REQUESTS = '{job="spaces",instance="i1",stream="REQUESTS"}'
BUILDS = [
    f'ws_build_info{{job="spaces",instance="i",component="{each}"}}'
    for each in ("gateway", "registry", "dispatcher", "history")
]
SUBMIT, READ = (
    '{job="spaces",instance="i1",route="/v1/spaces/{space}/requests"',
    '{job="spaces",instance="i1",route="/v1/spaces"',
)


def labeled(name: str, **labels: str) -> str:
    """A series of the process i1."""
    more = "".join(f',{label}="{value}"' for label, value in labels.items())
    return f'{name}{{job="spaces",instance="i1"{more}}}'


def histogram(name: str, fast: str, slow: str, bound: str, start: str = '{job="spaces",instance="i1"') -> Series:
    """A histogram with two buckets: what was no slower than the bound, and everything."""
    return {
        f'{name}_bucket{start},le="{bound}"}}': fast,
        f'{name}_bucket{start},le="10.0"}}': slow,
        f'{name}_bucket{start},le="+Inf"}}': slow,
    }


def ended(succeeded: str, failed: str) -> Series:
    """Requests that end."""
    return {
        labeled("ws_requests_ended_total", status=status): how
        for status, how in (("succeeded", succeeded), ("failed", failed))
    }


CASES: dict[str, Case] = {
    "SpacesHalted": Case({f"ws_history_halted{REQUESTS}": "0x79 1"}, {f"ws_history_halted{REQUESTS}": "0x90"}),
    "SpacesEventsLost": Case(
        {f"ws_history_lost_total{REQUESTS}": "0x75 3x20"}, {f"ws_history_lost_total{REQUESTS}": "3x90"}
    ),
    "SpacesLogConflicts": Case(
        {f"ws_history_conflicts_total{REQUESTS}": "_x75 1x20"}, {f"ws_history_conflicts_total{REQUESTS}": "1x90"}
    ),
    "SpacesUnfoldableEvents": Case(
        {f"ws_dispatcher_unfoldable_events_total{AT}": "0x75 1x20"}, {f"ws_dispatcher_unfoldable_events_total{AT}": "1x90"}
    ),
    "SpacesNoRecorder": Case(
        {f"ws_history_leading{AT}": "1x77 0x20", f"ws_history_leading{ON}": "0x90"},
        {f"ws_history_leading{AT}": "1x77 0x20", f"ws_history_leading{ON}": "0x77 1x20"},
    ),
    "SpacesTwoRecorders": Case(
        {f"ws_history_leading{AT}": "1x90", f"ws_history_leading{ON}": "0x70 1x20"},
        {f"ws_history_leading{AT}": "1x90", f"ws_history_leading{ON}": "0x90"},
    ),
    "SpacesHistoryBehind": Case(
        {f"ws_history_lag_events{REQUESTS}": "6000x90", f"ws_history_leading{AT}": "1x90"},
        {f"ws_history_lag_events{REQUESTS}": "6000x90", f"ws_history_leading{AT}": "0x90"},
    ),
    "SpacesProcessDown": Case({f"up{AT}": "1x76 0x20"}, {f"up{AT}": "1x90", 'up{job="node",instance="i9"}': "0x90"}),
    "SpacesServiceMissing": Case(dict.fromkeys(BUILDS[1:], "1x90"), dict.fromkeys(BUILDS, "1x90")),
    "SpacesNotReady": Case(
        {labeled("ws_ready", condition="nats"): "1x90", labeled("ws_ready", condition="postgresql"): "1x70 0x20"},
        {labeled("ws_ready", condition="postgresql"): "1x77 0x1 1x20"},
    ),
    "SpacesRestarting": Case(
        {f"process_start_time_seconds{AT}": "100x60 101x4 102x4 103x4 104x20"},
        {f"process_start_time_seconds{AT}": "100x60 101x4 102x20"},
    ),
    "SpacesEventLoopLag": Case(
        histogram("ws_event_loop_lag_seconds", "0+200x90", "0+240x90", "0.3"),
        histogram("ws_event_loop_lag_seconds", "0+239x90", "0+240x90", "0.3"),
    ),
    "SpacesOpenFiles": Case(
        {f"process_open_fds{AT}": "900x90", f"process_max_fds{AT}": "1024x90"},
        {f"process_open_fds{AT}": "500x90", f"process_max_fds{AT}": "1024x90"},
    ),
    "SpacesNatsDisconnected": Case(
        {f"ws_nats_connected{AT}": "1x77 0x20", f"ws_nats_connected{ON}": "1x90"}, {f"ws_nats_connected{AT}": "1x79 0 1x20"}
    ),
    "SpacesNatsUnsteady": Case(
        {f"ws_nats_reconnects_total{AT}": "0x70 0+1x20"}, {f"ws_nats_reconnects_total{AT}": "0x78 1x20"}
    ),
    "SpacesStreamNearLimit": Case(
        {
            labeled("ws_stream_bytes", stream="REQUESTS"): "75x90",
            labeled("ws_stream_max_bytes", stream="REQUESTS"): "100x90",
        },
        {labeled("ws_stream_bytes", stream="OUTPUT"): "99x90", labeled("ws_stream_max_bytes", stream="OUTPUT"): "100x90"},
    ),
    "SpacesFilesNearLimit": Case(
        {
            labeled("ws_stream_bytes", stream="OBJ_ws_files"): "90x90",
            labeled("ws_stream_max_bytes", stream="OBJ_ws_files"): "100x90",
        },
        {
            labeled("ws_stream_bytes", stream="OBJ_ws_files"): "90x90",
            labeled("ws_stream_max_bytes", stream="OBJ_ws_files"): "0x90",
        },
    ),
    "SpacesReplicasMissing": Case(
        {labeled("ws_stream_replicas_missing", stream="REQUESTS"): "0x70 1x20"},
        {labeled("ws_stream_replicas_missing", stream="REQUESTS"): "0x77 1 0x20"},
    ),
    "SpacesFollowerBehind": Case(
        {labeled("ws_tail_pending_messages", stream="REQUESTS", tail="delivery"): "9000x90"},
        {labeled("ws_tail_pending_messages", stream="REQUESTS", tail="delivery"): "0x77 9000 0x20"},
    ),
    "SpacesAppendsFail": Case(
        {labeled("ws_appends_total", type="accepted", result="stream_full"): "0x70 0+5x20"},
        {labeled("ws_appends_total", type="accepted", result="superseded"): "0+5x90"},
    ),
    "SpacesAppendsSlow": Case(
        histogram("ws_append_seconds", "0+50x90", "0+60x90", "1.0"),
        histogram("ws_append_seconds", "0+60x90", "0+60x90", "1.0"),
    ),
    "SpacesAppendConflicts": Case(
        {
            labeled("ws_appends_total", type="assigned", result="superseded"): "0+600x90",
            labeled("ws_appends_total", type="assigned", result="stored"): "0+900x90",
        },
        {
            labeled("ws_appends_total", type="assigned", result="superseded"): "0+600x90",
            labeled("ws_appends_total", type="assigned", result="stored"): "0+9000x90",
        },
    ),
    "SpacesAdmissionClosed": Case({f"ws_admission_open{AT}": "1x77 0x20"}, {f"ws_admission_open{AT}": "1x79 0 1x20"}),
    "SpacesPartitions": Case(
        {f"ws_dispatcher_partitions{AT}": "8x90", f"ws_dispatcher_partitions{ON}": "8x70 7x20"},
        {f"ws_dispatcher_partitions{AT}": "8x90", f"ws_dispatcher_partitions{ON}": "8x90"},
    ),
    "SpacesNothingDecided": Case(
        {f"ws_dispatcher_able{AT}": "0x90", f"ws_dispatcher_able{ON}": "1x70 0x20"},
        {f"ws_dispatcher_able{AT}": "0x90", f"ws_dispatcher_able{ON}": "1x90"},
    ),
    "SpacesQueueOld": Case(
        {f"ws_dispatcher_oldest_queued_seconds{AT}": "0+60x90"}, {f"ws_dispatcher_oldest_queued_seconds{AT}": "200x90"}
    ),
    "SpacesNoAgents": Case({f"ws_dispatcher_unserved{AT}": "0x70 2x20"}, {f"ws_dispatcher_unserved{AT}": "0x77 2 0x20"}),
    "SpacesNoFreeSlots": Case(
        {labeled("ws_dispatcher_slots", state="free"): "0x90", f"ws_dispatcher_queued{AT}": "5x90"},
        {labeled("ws_dispatcher_slots", state="free"): "0x90", f"ws_dispatcher_queued{AT}": "0x90"},
    ),
    "SpacesFailuresFast": Case(ended("0+8x90", "0+2x90"), ended("0+95x90", "0+5x90")),
    "SpacesFailuresSlow": Case(ended("0+92x90", "0+8x90"), ended("0+97x90", "0+3x90")),
    "SpacesHttpErrors": Case(
        {
            labeled("ws_http_responses_total", code="503"): "0+60x90",
            labeled("ws_http_responses_total", code="200"): "0+600x90",
        },
        {
            labeled("ws_http_responses_total", code="429"): "0+600x90",
            labeled("ws_http_responses_total", code="200"): "0+600x90",
        },
    ),
    "SpacesHttpSlow": Case(
        histogram("ws_http_response_seconds", "0+50x90", "0+60x90", "1.0", READ),
        histogram("ws_http_response_seconds", "0+10x90", "0+60x90", "1.0", SUBMIT),
    ),
    "SpacesRpcUnanswered": Case(
        {labeled("ws_rpc_unanswered_total", asked="history"): "0+12x90"},
        {labeled("ws_rpc_unanswered_total", asked="history"): "0+1x90"},
    ),
    "SpacesEventStreamsFull": Case({f"ws_event_streams{AT}": "950x90"}, {f"ws_event_streams{AT}": "800x90"}),
    "SpacesRefusedFrames": Case(
        {labeled("ws_refused_frames_total", frame="result", reason="not_held", recorded="yes"): "0+90x90"},
        {labeled("ws_refused_frames_total", frame="result", reason="not_held", recorded="yes"): "0+6x90"},
    ),
    "SpacesAgentsFlapping": Case(
        {labeled("ws_agent_connections_closed_total", code="1006"): "0+20x90", f"ws_agent_connections{AT}": "10x90"},
        {labeled("ws_agent_connections_closed_total", code="1006"): "0+20x90", f"ws_agent_connections{AT}": "900x90"},
    ),
    "SpacesAgentDisconnected": Case(
        {f"spaces_agent_connected{AT}": "1x70 0x20"}, {f"spaces_agent_connected{AT}": "1x78 0 1x20"}
    ),
    "SpacesAgentUnacknowledged": Case(
        {f"spaces_agent_spool_files{AT}": "0x50 4x40"}, {f"spaces_agent_spool_files{AT}": "0x78 4x20"}
    ),
}
