"""Who is at the other end of a socket. Pure."""

import msgspec

from services.contracts.reports import AgentReport, AgentState, Held


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that the registry has given the claim on its identity, at `revision`; `spaces` are those it may serve.
    `version` and `labels` are as it says."""

    agent: str
    boot_id: str
    slots: int
    spaces: list[str]
    revision: int
    version: str = ""
    labels: dict[str, str] = {}

    def report(self, conn: str, state: AgentState, held: list[Held]) -> AgentReport:
        """What reports say of it."""
        return AgentReport(
            agent=self.agent,
            conn=conn,
            boot_id=self.boot_id,
            spaces=self.spaces,
            slots=self.slots,
            state=state,
            held=held,
        )

    def last_report(self, conn: str) -> AgentReport:
        """How reports say that the connection has ended."""
        return AgentReport(
            agent=self.agent, conn=conn, boot_id=self.boot_id, spaces=self.spaces, slots=self.slots, gone=True
        )
