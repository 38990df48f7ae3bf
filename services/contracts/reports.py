"""What a gateway tells dispatchers and registries about its agents, and what one process may ask another."""

from typing import Literal

import msgspec

FULL_REPORT_S = 2.0
"""A gateway reports everything this often, and when it is asked to."""
COALESCE_S = 0.05
"""A change is reported at most this late."""

AgentState = Literal["loading", "ready", "draining"]
HeldState = Literal["sent", "running", "stopping"]


class Held(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One lease that an agent holds, confirmed stopped or not. `running_s`: since its handler started."""

    rid: str
    attempt: int
    lease: int
    state: HeldState = "sent"
    running_s: float = 0.0


class AgentReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One connection as its gateway sees it: the only authority on its slots. `gone` means: forget it; what it held is
    delisted."""

    agent: str
    conn: str
    boot_id: str
    spaces: list[str]
    slots: int
    state: AgentState = "ready"
    held: list[Held] = []
    gone: bool = False


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sent on change with the changed agents, and in full every FULL_REPORT_S. `number` grows by one each time: a gap
    means that a report was missed, and only the next full one mends it."""

    gateway: str
    number: int
    full: bool
    agents: list[AgentReport]


class Ping(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ping"):
    """Is the process there?"""


class Deliver(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="deliver"):
    """Is this lease with its agent? If not, read it from the stream and deliver it now."""

    rid: str
    lease: int


class DrainAgent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="drain"):
    """Tell the agent at this connection to end: it takes no more work, finishes what runs, and leaves."""

    conn: str


class DisconnectAgent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="disconnect"):
    """Close this connection, so that the agent makes another."""

    conn: str


class DescribeAgents(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="describe", omit_defaults=True):
    """Tell of these connections what reports leave out; `held`: also which requests they hold. Answered with
    AgentsDetails."""

    conns: list[str]
    held: bool = False


class ReportAll(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="report"):
    """Report in full now: whoever asks may have missed reports. The report is the answer."""


class ControlAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`pong` to a ping; to a deliver: `held`, or `closed` when the chain has moved on, or why it cannot be; to a drain:
    `draining` or `no_connection`; to a disconnect: `closing` or `no_connection`."""

    answer: Literal["pong", "held", "closed", "busy", "no_connection", "draining", "closing"]


Control = Ping | Deliver | DrainAgent | DisconnectAgent | DescribeAgents | ReportAll
