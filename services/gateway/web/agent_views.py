"""What the pages about agents and their connections show, beside what the API tells their scripts. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.contracts.accounts import Key, User


@dataclass(frozen=True, slots=True)
class AgentsView:
    """The list of agents. `owners`: whose there may be, by id with e-mail address; none when all are the visitor's."""

    owners: dict[str, str]


@dataclass(frozen=True, slots=True)
class AgentView:
    """The agent `<owner>/<name>`, connected or not; `email`: its owner's, empty for the visitor's own."""

    owner: str
    name: str
    email: str

    @property
    def id(self) -> str:
        """Its identity."""
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True, slots=True)
class ConnectionsView:
    """The history of connections: of an agent, of a space (empty: of all). `spaces` may be chosen among; `owners` as
    those of AgentsView."""

    agent: str
    space: str
    spaces: tuple[str, ...]
    owners: dict[str, str]


def agent_view(owner: str, name: str, user: User, users: Mapping[str, User]) -> AgentView | None:
    """The page of an agent for a user; None when they may not see it."""
    if owner == user.user:
        return AgentView(owner, name, "")
    email = users[owner].email if owner in users else owner
    return AgentView(owner, name, email) if user.role == "admin" else None


def owners_for(user: User, keys: Iterable[Key], users: Mapping[str, User]) -> dict[str, str]:
    """Who may have agents, as far as a user is to know: whoever has a key for them."""
    if user.role != "admin":
        return {}
    having = sorted({key.user for key in keys if key.kind == "agent"})
    return {owner: users[owner].email for owner in having if owner in users}
