"""Scenarios about the log: it stands still, its recorder dies or is doubled, and the stream is trimmed."""

import asyncio

from services.contracts import subjects
from services.runtime.jetstream import stream_info
from tests.faults.suite.members import Member
from tests.faults.suite.staging import COMES_WITHIN_S, Stage, until


async def log_stands_still(stage: Stage) -> None:
    """Nothing can be recorded while a request ends; whoever has heard of its end reads it once more."""
    known = len(stage.world.history.events)
    telling = asyncio.create_task(stage.told(input={"words": 1, "hold_s": 5.0}, wait_s=15))
    await until(lambda: len(stage.world.history.events) >= known + 2, "it is accepted and assigned")
    await stage.logged(stage.world.history.events[known + 1])
    async with stage.log_frozen():
        request = await telling
        assert request["done"], "the outcome was to be waited for"
        await stage.client().read(request["id"])


async def recorder_dies(stage: Stage) -> None:
    """The history service is killed in the middle of a batch."""
    platform = stage.world.platform
    history = platform.of("history")[0]
    release = await platform.take(history.name)
    async with stage.log_frozen() as wanted:
        rid = await stage.submit(input={"words": 1})
        await platform.until(wanted, "a batch is being recorded", COMES_WITHIN_S)
        platform.kill(history)
        await stage.ends(rid)
    await platform.start_member(history)
    release()


async def two_recorders(stage: Stage) -> None:
    """A second recorder takes itself for the only one."""
    platform = stage.world.platform
    url = platform.nats_wires["history-1"].through(platform.servers.nats_url("history"))
    settings = {"WS_NATS_URL": url, "WS_DATABASE_URL": platform.servers.database_url}
    log = platform.home.log_file(stage.name)
    second = Member(
        "history", stage.name, "tests.faults.suite.second_recorder", lambda: settings, root=platform.root, log=log
    )
    second.start()
    try:
        await until(lambda: "started" in second.last_line(), "the second recorder is there")
        for _ in range(10):
            await stage.ends(await stage.submit(input={"words": 1}))
    finally:
        second.kill()


async def trimmed_while_open(stage: Stage) -> None:
    """The stream is trimmed while a request runs; then another one that has left it is submitted again with its key."""
    words, key = {"words": 1}, f"{stage.name}-key"
    await stage.ends(await stage.submit(input=words, key=key))
    running = await stage.submit(input={"words": 1, "hold_s": 12.0})
    await stage.begins(running)
    accepted = (await stage.happens(running, "accepted")).seq

    async def trimmed() -> bool:
        assert stage.world.platform.operator is not None
        return (await stream_info(stage.world.platform.operator, subjects.REQUESTS)).state.first_seq >= accepted

    await stage.world.platform.until(trimmed, "the stream is trimmed", COMES_WITHIN_S)
    await stage.told(input=words, key=key)
