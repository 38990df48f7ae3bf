"""What the pages about agents and their connections show, beside what the API tells their scripts. Pure."""

from dataclasses import dataclass

from services.contracts.accounts import User


@dataclass(frozen=True, slots=True)
class AgentsView:
    """The list of agents. `everybody`: it shows those of all users."""

    everybody: bool


@dataclass(frozen=True, slots=True)
class AgentView:
    """The agent `<owner>/<name>`, connected or not; `own`: the visitor's."""

    owner: str
    name: str
    own: bool

    @property
    def id(self) -> str:
        """Its identity."""
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True, slots=True)
class ConnectionsView:
    """The history of connections: of an agent, of a space (empty: of all). `spaces` may be chosen among."""

    agent: str
    space: str
    spaces: tuple[str, ...]


def agent_view(owner: str, name: str, user: User) -> AgentView | None:
    """The page of an agent for a user; None when they may not see it."""
    own = owner == user.user
    return AgentView(owner, name, own) if own or user.role == "admin" else None
