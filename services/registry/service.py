"""The registry's operations, answered as the micro service `registry`."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
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
    RemoveMember,
    RevokeKey,
    SetMember,
    SetRole,
    SwitchSpace,
)
from services.registry import users
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

Handler = Callable[[Any], Awaitable[msgspec.Struct]]
Decided = Callable[[str], Awaitable[DirectoryEvent | Existing | None]]


class DirectoryCommands:
    """Changes of the directory."""

    def __init__(self, nc: Client, follower: DirectoryFollower) -> None:
        self._nc, self._follower = nc, follower
        self.passwords = Passwords()

    async def execute(self, command: DirectoryCommand) -> Recorded:
        """Carry out a command. Raises as `record`."""

        async def decided(event_id: str) -> DirectoryEvent | Existing | None:
            known = self._known_hash(command)
            password_hash = await self.passwords.hash(command.password, known) if isinstance(command, CreateUser) else ""
            if self._known_hash(command) != known:
                return None  # The user came into being while the password was hashed.
            return decide(command, self._follower.directory, event_id, password_hash)

        return await self.record(entry_named(command), decided)

    async def record(self, id: str, decided: Decided) -> Recorded:
        """Have an event appended that `decided`, which is given its id, makes of the directory as it is then; again when
        another replica was first, or it has made None. It sees all that any replica recorded before it came.

        Raises Refused, NatsUnavailable, StreamFull, Undecided."""
        event_id = uuid.uuid4().hex
        for _ in range(TRIES):
            await self._follower.catch_up()
            try:
                event = await decided(event_id)
            except Refusal as error:
                raise Refused(error.code, error.message) from error
            if isinstance(event, Existing):
                return Recorded(seq=event.seq, id=id)
            if event is None:
                continue
            try:
                return Recorded(seq=await self._record(event), id=id)
            except Superseded:
                continue  # Another replica was first: its event decides what this command comes to.
        raise NatsUnavailable("the entry changes all the time")

    def _known_hash(self, command: DirectoryCommand) -> str:
        user = self._follower.directory.user_by_email(command.email) if isinstance(command, CreateUser) else None
        return "" if user is None else user.password_hash

    async def _record(self, event: DirectoryEvent) -> int:
        kind, id = entry_of(event)
        subject = subjects.directory_event(kind, id, type_of(event))
        chain, prev_seq = subjects.directory_chain(kind, id), event.prev_seq
        if users.takes_away(event):
            chain, prev_seq = subjects.directory_entries("user"), users.last_seq(self._follower.directory)
        data = codec.directory.encode(event)
        return await append(self._nc, Record(subjects.DIRECTORY, subject, chain, prev_seq, event.id, data), APPEND_S)


async def serve_registry(
    nc: Client,
    commands: DirectoryCommands,
    attaching: Attaching,
    reporting: Reporting,
    further: Mapping[str, tuple[type[Any], Handler]] = MappingProxyType({}),
) -> Serving:
    """Answer on `ws.rpc.registry.*`; `further`: by name, other questions and who answers them."""

    def operation(name: str, request: type[Any], handler: Handler) -> Operation:
        return Operation(subjects.registry_rpc(name), request, _refusing_hostile_tokens(handler))

    operations = {
        "attach": operation("attach", Attach, attaching.attach),
        "detach": operation("detach", Detach, attaching.detach),
        "create_user": operation("create_user", CreateUser, commands.execute),
        "disable_user": operation("disable_user", DisableUser, commands.execute),
        "enable_user": operation("enable_user", EnableUser, commands.execute),
        "set_role": operation("set_role", SetRole, commands.execute),
        "create_space": operation("create_space", CreateSpace, commands.execute),
        "edit_space": operation("edit_space", EditSpace, commands.execute),
        "switch_space": operation("switch_space", SwitchSpace, commands.execute),
        "set_member": operation("set_member", SetMember, commands.execute),
        "remove_member": operation("remove_member", RemoveMember, commands.execute),
        "delete_space": operation("delete_space", DeleteSpace, commands.execute),
        "create_key": operation("create_key", CreateKey, commands.execute),
        "revoke_key": operation("revoke_key", RevokeKey, commands.execute),
        "agents": operation("agents", GetAgents, reporting.agents),
        **{name: operation(name, request, handler) for name, (request, handler) in further.items()},
    }
    return await serve(nc, "registry", "The directory, and the claims on who is connected", operations)


def _refusing_hostile_tokens(handler: Handler) -> Handler:
    async def handle(message: Any) -> msgspec.Struct:
        try:
            return await handler(message)
        except subjects.InvalidToken as error:
            raise Refused("invalid", str(error)) from error

    return handle
