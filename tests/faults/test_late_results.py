"""An agent is away for longer than the grace: another one runs its request, and what it brings back then is refused."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.proxy import proxy
from tests.support.stack import Stack, fresh_home
from tests.support.world import agent, client, marker, ready, recorded, spool, types, until


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with fresh_home() as home, Stack(home, "--no-demo") as stack:
        yield stack


async def test_a_result_after_the_grace_is_refused_and_shown(stack: Stack) -> None:
    directory = stack.home / "grace"
    directory.mkdir()
    await ready(stack)
    async with client(stack) as here, proxy(stack.ready.url) as network:
        with agent(stack, "marked", urls=[network.url], name="away"):
            request = await here.submit({"directory": str(directory)})
            await marker(directory / "started-1", "the first agent runs it")
            network.cut()
            with agent(stack, "marked", name="present"):
                await marker(directory / "started-2", "the second agent runs it")
                (directory / "go").touch()
                done = await here.finished(request["id"])

                async def has_a_result() -> bool:
                    return bool(spool(stack, "away"))

                await until(has_a_result, "the first one has a result, too")
                await network.restore()

                async def forgotten() -> bool:
                    return not spool(stack, "away")

                await until(forgotten, "it was told to forget it")
        assert await here.get(request["id"]) == done

        async def timeline() -> Any:
            shown = (await here.http.get(f"/v1/requests/{request['id']}/events", params={"after": ""})).json()
            return shown if shown["refused"] else None

        shown = await until(timeline, "the refusal is shown")
    assert (done["status"], done["attempt"], done["output"]["attempt"]) == ("succeeded", 2, 2)
    chain = (await recorded(stack, {request["id"]}))[request["id"]]
    assert types(chain) == ["accepted", "assigned", "requeued", "assigned", "succeeded"]
    assert chain[2].data["reason"] == "agent_lost"
    assert shown["done"]
    assert [(refused["frame"], refused["reason"]) for refused in shown["refused"]] == [("result", "superseded")]
    assert [refused["lease"] for refused in shown["refused"]] == [chain[1].seq]
