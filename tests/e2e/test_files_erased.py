"""Who erases a request is rid of its files, on a real stack."""

import re

from services.contracts import subjects
from services.local.home import Home
from services.local.servers import running_nats_url
from services.runtime import bus
from services.runtime.jetstream import stream_info
from tests.support.stack import Stack, spaces
from tests.support.world import agent, client, ready, until

MINUTE_S = 60.0
MIB = 1024 * 1024


async def stored_bytes(stack: Stack) -> int:
    nc = await bus.connect(running_nats_url(Home(stack.home), "operator"), "operator", "test")
    try:
        return (await stream_info(nc, subjects.FILES)).state.bytes
    finally:
        await nc.close()


async def test_the_files_of_an_erased_request_are_gone_within_a_minute(stack: Stack) -> None:
    await ready(stack)
    async with client(stack) as here:
        made = await here.http.post(f"/v1/files?space={stack.ready.space}", content=b"x" * 2 * MIB)
        kept = await here.http.post(f"/v1/files?space={stack.ready.space}", content=b"kept")
        given = made.json()["urls"]["self"]
        with agent(stack, "reverse", module="tests.e2e.file_handlers"):
            turned = await here.submit({"file": given}, wait=30)
            other = await here.submit({"file": kept.json()["urls"]["self"]}, wait=30)
        with agent(stack, "echo", module="tests.e2e.file_handlers", name="agent-2"):
            echoed = await here.submit({"text": "y" * MIB}, wait=30)
        assert [each["status"] for each in (turned, other, echoed)] == ["succeeded"] * 3
        assert await stored_bytes(stack) > 6 * MIB
        for request in (turned, echoed):
            assert (await here.http.delete(f"/v1/requests/{request['id']}/data")).status_code in {200, 202}

        async def gone() -> bool:
            return await stored_bytes(stack) < MIB

        await until(gone, "the bytes are gone", MINUTE_S)
        for path in (given, turned["output"]["file"]):
            answer = await here.http.get(f"{path}/content")
            assert (answer.status_code, answer.json()["code"]) == (410, "data_expired")
        for path in (kept.json()["urls"]["self"], other["output"]["file"]):
            assert (await here.http.get(f"{path}/content")).content == b"kept"

    async def whole() -> bool:
        return spaces("log", "verify", "--home", str(stack.home)).returncode == 0

    await until(whole, "the log is whole")
    log = "".join(path.read_text() for path in (stack.home / "logs").glob("history*"))
    assert sum(map(int, re.findall(r"deleted .*?\b(\d+) erased", log))) == 4
