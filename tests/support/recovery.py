"""A platform whose NATS loses its data, and its recovery as `spaces recover` does it."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from services.contracts import codec, subjects
from services.contracts.accounts import Directory
from services.contracts.directory import ApiKeyCreated, DirectoryEvent, KeyRevoked, SpaceCreated, UserCreated, entry_of
from services.history import database
from services.history.rebuild import rebuild
from services.history.recover import Outlook, Recovered, Recovery
from services.history.verify import verify
from services.runtime import bus
from services.runtime.jetstream import Stored, stream_info
from services.runtime.kv import Bucket
from services.runtime.settings import Settings
from services.runtime.topology import EPOCH
from tests.support.bus import until
from tests.support.entries import append_entry, made
from tests.support.history import ACK_S, World


class Killed(Exception):
    """The recovery has died here."""


class Fuse:
    """Dies at the call of this number: before it, or, at every other one, when it has been carried out."""

    def __init__(self, at: int) -> None:
        self._left = at

    def around(self, of: Any, *names: str) -> Any:
        """An object whose methods of these names count."""
        return _Fused(of, names, self)

    async def call(self, method: Any, *arguments: Any, **options: Any) -> Any:
        """One call that counts."""
        self._left -= 1
        if self._left == 0:
            raise Killed
        result = await method(*arguments, **options)
        if self._left == 1:
            self._left = 0
            raise Killed
        return result


class _Fused:
    def __init__(self, of: Any, names: tuple[str, ...], fuse: Fuse) -> None:
        self._of, self._names, self._fuse = of, names, fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._of, name)
        if name not in self._names:
            return method

        async def counted(*arguments: Any, **options: Any) -> Any:
            return await self._fuse.call(method, *arguments, **options)

        return counted


@contextlib.asynccontextmanager
async def recovery(world: World, fuse: Fuse | None = None) -> AsyncIterator[Recovery]:
    """A recovery of the world, with connections of its own as the command has them."""
    nc = await bus.connect(world.servers.nats_url("recovery"), "recovery", "test-recovery")
    connection = await database.connect(world.servers.database_url)
    try:
        if fuse is None:
            yield Recovery(nc, connection, Settings(), _silent)
        else:
            fused = fuse.around(connection, "execute", "fetch", "fetchrow", "fetchval", "copy_records_to_table")
            yield Recovery(fuse.around(nc, "request"), fused, Settings(), _silent)
    finally:
        await connection.close()
        await nc.close()


def _silent(what: str, done: int, total: int) -> None:
    assert done <= total, what


async def look(world: World) -> Outlook:
    """What there is to recover."""
    async with recovery(world) as here:
        return await here.outlook()


async def recover(world: World, *, alone: bool = True) -> Recovered | None:
    """Recover to the end."""
    async with recovery(world) as here:
        return await here.run(alone=alone)


async def lose_nats(world: World) -> None:
    """NATS loses all its data."""
    await asyncio.to_thread(world.servers.nats.stop)
    await asyncio.to_thread(world.forget_nats)
    await _start_nats(world)


async def photograph(world: World) -> Path:
    """What NATS has stored now, set aside."""
    await asyncio.to_thread(world.servers.nats.stop)
    aside = world.servers.directory / f"nats-{os.urandom(4).hex()}"
    shutil.copytree(world.servers.nats.directory, aside)
    await _start_nats(world)
    return aside


async def bring_back(world: World, aside: Path) -> None:
    """NATS has again what was set aside, and has lost all that came since."""
    await asyncio.to_thread(world.servers.nats.stop)
    await asyncio.to_thread(world.forget_nats)
    aside.rename(world.servers.nats.directory)
    await _start_nats(world)


async def _start_nats(world: World) -> None:
    await asyncio.to_thread(world.servers.nats.start)
    await until(lambda: all(nc.is_connected for nc in world.clients.values()), "all are connected again")


async def delete_streams(world: World, *names: str) -> None:
    """NATS loses these streams."""
    nc = await bus.connect(world.servers.nats_url("recovery"), "recovery", "test-recovery")
    for name in names:
        await nc.request(f"$JS.API.STREAM.DELETE.{name}", timeout=ACK_S)
    await nc.close()


async def halted(world: World) -> bool:
    """Whether everybody is told to stop."""
    return (await Bucket(world.history, subjects.LIVE).get(subjects.HALTED_KEY)).value is not None


async def epoch_of(world: World, stream: str = subjects.REQUESTS) -> int:
    """The epoch that a stream is in."""
    return int((await stream_info(world.history, stream)).config.metadata[EPOCH])


class People:
    """The directory's writer: what each entry has come to, as a registry knows it."""

    def __init__(self, nc: Client) -> None:
        self._nc, self._last = nc, dict[tuple[str, str], int]()

    async def append(self, event: DirectoryEvent) -> None:
        """Append an event to its entry."""
        self._last[entry_of(event)] = await append_entry(self._nc, event, 5.0)

    async def arrive(self, name: str) -> None:
        """A user with a space, a key that lives and a key that was revoked."""
        await self.append(UserCreated(**made(), user=name, email=f"{name}@x.org", role="admin", password_hash="x"))
        await self.append(SpaceCreated(**made(), space=f"{name}-space", owner=name))
        for number in (1, 2):
            await self.append(
                ApiKeyCreated(**made(), key_id=f"{name}-{number}", user=name, key_hash=f"{name}{number}", name="k")
            )
        await self.revoke(f"{name}-2")

    async def revoke(self, key_id: str) -> None:
        """Revoke a key."""
        await self.append(KeyRevoked(**made(self._last["key", key_id]), key_id=key_id))


def directory_of(messages: list[Stored]) -> tuple[Directory, list[tuple[str, int]]]:
    """The fold of a DIRECTORY stream, and of each event what it follows: the place of that event in the stream."""
    directory, places, follows = Directory(), {0: -1}, []
    for place, message in enumerate(messages):
        event = codec.directory.decode(message.data)
        places[message.seq] = place
        follows.append((event.id, places[event.prev_seq]))
        directory.apply(event, *entry_of(event), message.seq)
    return directory, follows


async def clean(world: World) -> None:
    """The log is whole, what is shown agrees with it, and rebuilding it changes nothing."""
    assert (await verify(world.servers.database_url)).findings == []
    rebuilt = await rebuild(world.servers.database_url)
    assert (rebuilt.replaced, rebuilt.removed, rebuilt.findings) == (0, 0, [])
