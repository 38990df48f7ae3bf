"""The client for programs without an event loop."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any
from urllib.parse import quote

import msgspec

from spaces_client import accounts, lists, monitoring, objects, timeline
from spaces_client.accounts import Key, KeyBody, MadeKey, User, UserBody
from spaces_client.connection import Connection, Waiting
from spaces_client.events import Event
from spaces_client.monitoring import PastConnection, Stats
from spaces_client.objects import ConnectedAgent, Request
from spaces_client.reading import EventReader
from spaces_client.submission import Policy, submission
from spaces_client.timeline import Page, Timeline

_AS_JSON = {"Accept": "application/json"}


class Client:
    """Talks to a gateway with an API key. Threads may share it. Close it, or use it as a context manager.

    Every call that gets no answer is sent again, up to five times; this never makes two requests or keys of one.
    What it raises is a ClientError: ProblemError when the gateway refuses, Unreachable, InvalidAnswer."""

    def __init__(self, url: str, key: str) -> None:
        """Nothing is sent yet. Raises ConfigError when URL or key cannot be one."""
        self._connection = Connection(url, key)

    def submit(
        self,
        space: str,
        input: Mapping[str, Any] | msgspec.Raw,
        *,
        wait_s: float = 0,
        idempotency_key: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        policy: Policy | None = None,
    ) -> Request:
        """Submit an object (`msgspec.Raw`: JSON as it stands) to a space, and wait up to `wait_s` seconds, at most 60, for
        the outcome. Without an idempotency key of yours a random one is sent. Raises ClientError."""
        path = f"/v1/spaces/{_segment(space)}/requests"
        return self._make(path, submission(input, metadata, policy), wait_s, idempotency_key)

    def read(self, id: str) -> Request:
        """A request as it is. Raises ClientError."""
        return objects.request(self._connection.call("GET", _path(id)))

    def requests(
        self,
        *,
        space: str | None = None,
        status: Sequence[str] | str | None = None,
        user: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        limit: int | None = None,
    ) -> Iterator[Request]:
        """Requests, the newest first, `limit` at most: one's own, or all for an administrator, who may name a user (by id or
        e-mail address). Without inputs and outputs: `read` has them. Pages are asked for as they are needed, so the iterator
        may raise ClientError."""
        wanted = lists.filters(
            space=space, status=status or None, user=user, created_after=created_after, created_before=created_before
        )
        return lists.entries(self._lister("/v1/requests"), wanted, objects.request, limit)

    def cancel(self, id: str) -> Request:
        """Cancel a request; one that is canceled stays so. Raises ClientError, with `already_done` when it has ended in
        another way."""
        return objects.request(self._connection.call("POST", _path(id, "/cancel")))

    def retry(self, id: str, *, wait_s: float = 0, idempotency_key: str | None = None) -> Request:
        """Submit the input of a request that has ended again; the answer is a request of its own. Raises ClientError, with
        `not_done` when it has not ended, and `data_expired` when its input is not kept."""
        return self._make(_path(id, "/retry"), None, wait_s, idempotency_key)

    def erase(self, id: str) -> Request:
        """Erase the data of a request that has ended: input, output, metadata, logs. One that is erased stays so. Raises
        ClientError, with `not_done` when it has not ended."""
        return objects.request(self._connection.call("DELETE", _path(id, "/data")))

    def events(self, id: str, *, after: str = "", waiting: Waiting | None = None) -> Generator[Event, None, None]:
        """What happens to a request, as it happens, up to its end; `after` is the cursor of an event. A stream that is cut
        is opened again where it ended, for as long as it takes: no gap, no repeat; `waiting` is told. Close the generator
        to stop before. Raises ClientError when the gateway refuses it."""
        return self._connection.events(_path(id, "/events"), EventReader(after), waiting)

    def timeline(self, id: str) -> Timeline:
        """What has happened to a request so far. Raises ClientError."""
        pages = [self._page(id, "")]
        while pages[-1].results and not pages[-1].done and (after := pages[-1].next):
            pages.append(self._page(id, after))
        return timeline.join(pages)

    def agents(self) -> list[ConnectedAgent]:
        """The agents that are connected: one's own, or all for an administrator. Raises ClientError."""
        return objects.agents(self._connection.call("GET", "/v1/agents"))

    def connections(
        self, *, agent: str | None = None, space: str | None = None, limit: int | None = None
    ) -> Iterator[PastConnection]:
        """Connections of agents (`owner/name`), also those that have ended, the newest first, `limit` at most: those of
        one's own agents, or all for an administrator. Pages are asked for as they are needed, so the iterator may raise
        ClientError."""
        wanted = lists.filters(agent=agent, space=space)
        return lists.entries(self._lister("/v1/connections"), wanted, monitoring.connection, limit)

    def stats(self, *, space: str | None = None, window: str = "1h") -> Stats:
        """What requests have come to in the last `5m`, `1h` or `24h`: one's own, or all for an administrator. Raises
        ClientError."""
        params = lists.filters(space=space, window=window)
        return monitoring.stats(self._connection.call("GET", "/v1/stats", params=params))

    def drain_agent(self, id: str) -> ConnectedAgent:
        """Tell an agent (`owner/name`) to take no more work, finish what runs, and leave. Raises ClientError, with
        `not_found` when it is not connected."""
        owner, _, name = id.partition("/")
        path = f"/v1/agents/{_segment(owner)}/{_segment(name)}/drain"
        return objects.agent(self._connection.call("POST", path))

    def keys(self, *, user: str | None = None) -> list[Key]:
        """The keys that are not revoked, without secrets: one's own, or for an administrator those of the user with this id,
        everybody's when it is empty. Raises ClientError."""
        return accounts.listed(self._connection.call("GET", "/v1/keys", params=lists.filters(user=user)), Key)

    def create_key(
        self,
        name: str,
        *,
        kind: str = "api",
        scopes: Sequence[str] | None = None,
        spaces: Sequence[str] | None = None,
        expires_in_s: float | None = None,
        max_in_flight: int | None = None,
        user: str | None = None,
    ) -> MadeKey:
        """Make a key (`api` or `agent`); its secret is in this answer and nowhere else. It can do no more than the key that
        makes it. Raises ClientError; after Unreachable see `keys` for whether it was made: it is not sent twice."""
        wanted = KeyBody(
            name=name,
            kind=kind,
            scopes=None if scopes is None else list(scopes),
            spaces=None if spaces is None else list(spaces),
            expires_in_s=expires_in_s,
            max_in_flight=max_in_flight,
            user=user,
        )
        return accounts.read(self._post("/v1/keys", msgspec.json.encode(wanted), repeatable=False), MadeKey)

    def revoke_key(self, id: str) -> None:
        """Revoke a key, for good. Raises ClientError, with `not_found` also when it was revoked before."""
        self._connection.call("DELETE", f"/v1/keys/{_segment(id)}")

    def me(self) -> User:
        """The user of the key that this client shows. Raises ClientError."""
        return accounts.read(self._connection.call("GET", "/v1/users/me"), User)

    def users(self) -> list[User]:
        """All users, for administrators. Raises ClientError."""
        return accounts.listed(self._connection.call("GET", "/v1/users"), User)

    def create_user(self, email: str, password: str, *, role: str = "member") -> User:
        """Make a user (`member` or `admin`), for administrators. Raises ClientError, with `exists` when there is another
        with this address."""
        body = msgspec.json.encode(UserBody(email=email, password=password, role=role))
        return accounts.read(self._post("/v1/users", body), User)

    def disable_user(self, id: str) -> User:
        """Let all keys of a user be refused until they are enabled again, for administrators. Raises ClientError."""
        return accounts.read(self._connection.call("POST", f"/v1/users/{_segment(id)}/disable"), User)

    def enable_user(self, id: str) -> User:
        """Enable a user who is disabled, for administrators. Raises ClientError."""
        return accounts.read(self._connection.call("POST", f"/v1/users/{_segment(id)}/enable"), User)

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _make(self, path: str, body: bytes | None, wait_s: float, idempotency_key: str | None) -> Request:
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return objects.request(self._connection.call("POST", path, headers=headers, content=body, wait_s=wait_s))

    def _post(self, path: str, body: bytes, *, repeatable: bool = True) -> bytes:
        headers = {"Content-Type": "application/json"}
        return self._connection.call("POST", path, headers=headers, content=body, repeatable=repeatable)

    def _lister(self, path: str) -> Callable[[Mapping[str, str]], bytes]:
        return lambda params: self._connection.call("GET", path, params=params)

    def _page(self, id: str, after: str) -> Page:
        answer = self._connection.call("GET", _path(id, "/events"), headers=_AS_JSON, params={"after": after})
        return timeline.page(answer)


def _path(id: str, action: str = "") -> str:
    return f"/v1/requests/{_segment(id)}{action}"


def _segment(text: str) -> str:
    """One segment of a path, whatever the text: never two of them, nor one that means the parent."""
    return quote(text, safe="").replace(".", "%2E")
