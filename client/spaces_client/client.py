"""The client for programs without an event loop."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType

from spaces_client import account_calls, agent_calls, file_calls, request_calls, space_calls, transfers
from spaces_client import audit as auditing
from spaces_client.connection import Connection
from spaces_client.events import Event
from spaces_client.methods import blocking, iterating
from spaces_client.reading import EventReader
from spaces_client.transport import Waiting


class Client:
    """Talks to a gateway with an API key. Threads may share it. Close it, or use it as a context manager.

    Every call that gets no answer is sent again, up to five times; this never makes two requests or keys of one.
    What it raises is a ClientError: ProblemError when the gateway refuses, Unreachable, InvalidAnswer."""

    def __init__(self, url: str, key: str) -> None:
        """Nothing is sent yet. Raises ConfigError when URL or key cannot be one."""
        self._connection = Connection(url, key)

    submit = blocking(request_calls.submit)
    read = blocking(request_calls.read)
    requests = iterating(request_calls.requests)
    cancel = blocking(request_calls.cancel)
    retry = blocking(request_calls.retry)
    erase = blocking(request_calls.erase)
    timeline = blocking(request_calls.timeline)

    def events(self, id: str, *, after: str = "", waiting: Waiting | None = None) -> Generator[Event, None, None]:
        """What happens to a request, as it happens, up to its end; `after` is the cursor of an event. A stream that is cut
        is opened again where it ended, for as long as it takes: no gap, no repeat; `waiting` is told. Close the generator
        to stop before. Raises ClientError when the gateway refuses it."""
        return self._connection.events(request_calls.events_path(id), EventReader(after), waiting)

    stats = blocking(agent_calls.stats)
    warnings = blocking(agent_calls.warnings)
    agents = blocking(agent_calls.agents)
    connections = iterating(agent_calls.connections)
    drain_agent = blocking(agent_calls.drain_agent)
    agent = blocking(agent_calls.agent)
    disconnect_agent = blocking(agent_calls.disconnect_agent)

    spaces = blocking(space_calls.spaces)
    space = blocking(space_calls.space)
    create_space = blocking(space_calls.create_space)
    edit_space = blocking(space_calls.edit_space)
    delete_space = blocking(space_calls.delete_space)
    enable_space = blocking(space_calls.enable_space)
    disable_space = blocking(space_calls.disable_space)
    pause_space = blocking(space_calls.pause_space)
    resume_space = blocking(space_calls.resume_space)
    purge_queue = blocking(space_calls.purge_queue)
    space_queue = blocking(space_calls.space_queue)
    space_health = blocking(space_calls.space_health)
    space_agents = blocking(space_calls.space_agents)
    members = blocking(space_calls.members)
    set_member = blocking(space_calls.set_member)
    remove_member = blocking(space_calls.remove_member)

    upload = blocking(transfers.upload)
    download = blocking(transfers.download)
    files = iterating(file_calls.files)
    file = blocking(file_calls.file)
    delete_file = blocking(file_calls.delete_file)

    keys = blocking(account_calls.keys)
    my_key = blocking(account_calls.my_key)
    create_key = blocking(account_calls.create_key)
    revoke_key = blocking(account_calls.revoke_key)
    me = blocking(account_calls.me)
    users = blocking(account_calls.users)
    audit = iterating(auditing.audit)
    create_user = blocking(account_calls.create_user)
    disable_user = blocking(account_calls.disable_user)
    set_role = blocking(account_calls.set_role)
    enable_user = blocking(account_calls.enable_user)

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
