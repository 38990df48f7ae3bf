"""The client for programs with an event loop (asyncio)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from types import TracebackType

from spaces_client import account_calls, agent_calls, file_calls, request_calls, space_calls, transfers
from spaces_client import audit as auditing
from spaces_client.async_connection import AsyncConnection
from spaces_client.events import Event
from spaces_client.methods import awaited, iterating_async
from spaces_client.reading import EventReader
from spaces_client.transport import Waiting


class AsyncClient:
    """Talks to a gateway with an API key. The tasks of one event loop may share it. Close it, or use it with `async with`.

    It has the methods of `Client`: what returns there is awaited here, what iterates there does so with `async for`.

    Every call that gets no answer is sent again, up to five times; this never makes two requests or keys of one.
    What it raises is a ClientError: ProblemError when the gateway refuses, Unreachable, InvalidAnswer."""

    def __init__(self, url: str, key: str) -> None:
        """Nothing is sent yet. Raises ConfigError when URL or key cannot be one."""
        self._connection = AsyncConnection(url, key)

    submit = awaited(request_calls.submit)
    read = awaited(request_calls.read)
    requests = iterating_async(request_calls.requests)
    cancel = awaited(request_calls.cancel)
    retry = awaited(request_calls.retry)
    erase = awaited(request_calls.erase)
    timeline = awaited(request_calls.timeline)

    def events(self, id: str, *, after: str = "", waiting: Waiting | None = None) -> AsyncGenerator[Event, None]:
        """What happens to a request, as it happens, up to its end; `after` is the cursor of an event. A stream that is cut
        is opened again where it ended, for as long as it takes: no gap, no repeat; `waiting` is told. Close the generator
        (`aclose`) to stop before. Raises ClientError when the gateway refuses it."""
        return self._connection.events(request_calls.events_path(id), EventReader(after), waiting)

    stats = awaited(agent_calls.stats)
    warnings = awaited(agent_calls.warnings)
    agents = awaited(agent_calls.agents)
    connections = iterating_async(agent_calls.connections)
    drain_agent = awaited(agent_calls.drain_agent)
    agent = awaited(agent_calls.agent)
    disconnect_agent = awaited(agent_calls.disconnect_agent)

    spaces = awaited(space_calls.spaces)
    space = awaited(space_calls.space)
    create_space = awaited(space_calls.create_space)
    edit_space = awaited(space_calls.edit_space)
    delete_space = awaited(space_calls.delete_space)
    enable_space = awaited(space_calls.enable_space)
    disable_space = awaited(space_calls.disable_space)
    pause_space = awaited(space_calls.pause_space)
    resume_space = awaited(space_calls.resume_space)
    purge_queue = awaited(space_calls.purge_queue)
    space_queue = awaited(space_calls.space_queue)
    space_health = awaited(space_calls.space_health)
    space_agents = awaited(space_calls.space_agents)
    members = awaited(space_calls.members)
    set_member = awaited(space_calls.set_member)
    remove_member = awaited(space_calls.remove_member)

    upload = awaited(transfers.upload)
    download = awaited(transfers.download)
    files = iterating_async(file_calls.files)
    file = awaited(file_calls.file)
    delete_file = awaited(file_calls.delete_file)

    keys = awaited(account_calls.keys)
    my_key = awaited(account_calls.my_key)
    create_key = awaited(account_calls.create_key)
    revoke_key = awaited(account_calls.revoke_key)
    me = awaited(account_calls.me)
    users = awaited(account_calls.users)
    audit = iterating_async(auditing.audit)
    create_user = awaited(account_calls.create_user)
    disable_user = awaited(account_calls.disable_user)
    set_role = awaited(account_calls.set_role)
    enable_user = awaited(account_calls.enable_user)

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
