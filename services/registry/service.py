"""The registry's operations, answered as the micro service `registry`."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from nats.aio.client import Client

from services.contracts import codec, subjects
from services.contracts.directory import DirectoryEvent, entry_of
from services.contracts.events import type_of
from services.contracts.rpc import (
    Attach,
    CreateKey,
    CreateSpace,
    CreateUser,
    DeleteSpace,
    Detach,
    DisableUser,
    EditSpace,
    EnableUser,
    GetAgents,
    Recorded,
    RevokeKey,
    SwitchSpace,
)
from services.registry.attaching import Attaching
from services.registry.directory import DirectoryCommand, decide, entry_named
from services.registry.passwords import Passwords
from services.registry.refusal import Existing, Refusal
from services.registry.reporting import Reporting
from services.runtime.append import Record, Superseded, append
from services.runtime.directory import DirectoryFollower
from services.runtime.errors import NatsUnavailable
from services.runtime.rpc import Operation, Refused, Serving, serve

TRIES = 5
APPEND_S = 4.0
"""Less than a caller waits for its answer."""


class DirectoryCommands:
    """Changes of the directory."""

    def __init__(self, nc: Client, follower: DirectoryFollower) -> None:
        self._nc, self._follower = nc, follower
        self._passwords = Passwords()

    async def execute(self, command: DirectoryCommand) -> Recorded:
        """Carry out a command. It sees all that any replica recorded before it came.

        Raises Refused, NatsUnavailable, StreamFull, Undecided."""
        event_id = uuid.uuid4().hex
        for _ in range(TRIES):
            await self._follower.catch_up()
            known = self._known_hash(command)
            password_hash = await self._passwords.hash(command.password, known) if isinstance(command, CreateUser) else ""
            if self._known_hash(command) != known:
                continue  # The user came into being while the password was hashed.
            try:
                decided = decide(command, self._follower.directory, event_id, password_hash)
            except Refusal as error:
                raise Refused(error.code, error.message) from error
            if isinstance(decided, Existing):
                return Recorded(seq=decided.seq, id=entry_named(command))
            try:
                seq = await self._record(decided)
            except Superseded:
                continue  # Another replica was first: its event decides what this command comes to.
            return Recorded(seq=seq, id=entry_named(command))
        raise NatsUnavailable("the entry changes all the time")

    def _known_hash(self, command: DirectoryCommand) -> str:
        user = self._follower.directory.user_by_email(command.email) if isinstance(command, CreateUser) else None
        return "" if user is None else user.password_hash

    async def _record(self, event: DirectoryEvent) -> int:
        kind, id = entry_of(event)
        subject = subjects.directory_event(kind, id, type_of(event))
        chain, data = subjects.directory_chain(kind, id), codec.directory.encode(event)
        return await append(self._nc, Record(subjects.DIRECTORY, subject, chain, event.prev_seq, event.id, data), APPEND_S)


async def serve_registry(nc: Client, commands: DirectoryCommands, attaching: Attaching, reporting: Reporting) -> Serving:
    """Answer on `ws.rpc.registry.*`."""

    def operation(name: str, request: type[Any], handler: Callable[[Any], Awaitable[msgspec.Struct]]) -> Operation:
        return Operation(subjects.registry_rpc(name), request, _refusing_hostile_tokens(handler))

    operations = {
        "attach": operation("attach", Attach, attaching.attach),
        "detach": operation("detach", Detach, attaching.detach),
        "create_user": operation("create_user", CreateUser, commands.execute),
        "disable_user": operation("disable_user", DisableUser, commands.execute),
        "enable_user": operation("enable_user", EnableUser, commands.execute),
        "create_space": operation("create_space", CreateSpace, commands.execute),
        "edit_space": operation("edit_space", EditSpace, commands.execute),
        "switch_space": operation("switch_space", SwitchSpace, commands.execute),
        "delete_space": operation("delete_space", DeleteSpace, commands.execute),
        "create_key": operation("create_key", CreateKey, commands.execute),
        "revoke_key": operation("revoke_key", RevokeKey, commands.execute),
        "agents": operation("agents", GetAgents, reporting.agents),
    }
    return await serve(nc, "registry", "The directory, and the claims on who is connected", operations)


def _refusing_hostile_tokens(
    handler: Callable[[Any], Awaitable[msgspec.Struct]],
) -> Callable[[Any], Awaitable[msgspec.Struct]]:
    async def handle(message: Any) -> msgspec.Struct:
        try:
            return await handler(message)
        except subjects.InvalidToken as error:
            raise Refused("invalid", str(error)) from error

    return handle
