"""A space that keeps data for a moment, on a real stack."""

from typing import Any

from tests.support.stack import Stack, spaces
from tests.support.world import agent, client, ready, until

PASS_S = 60.0
"""Within which what is due is erased: a pass every half minute, and as much again for a slow machine."""


async def test_the_data_of_a_request_are_erased_soon_after_its_end(stack: Stack) -> None:
    await ready(stack)
    with agent(stack, "counted"):
        async with client(stack) as here:
            kept = await here.submit({"hold_s": 0, "n": 1}, wait=30)
            brief = await here.submit({"hold_s": 0, "n": 2}, wait=30, policy={"retention_s": 1})
            assert (kept["status"], brief["status"]) == ("succeeded", "succeeded")

            async def gone() -> dict[str, Any] | None:
                request = await here.get(brief["id"])
                return request if request["erased"] else None

            erased = await until(gone, "it is erased", PASS_S)
            assert (erased["status"], erased["input"], erased["output"]) == ("succeeded", None, None)
            retried = await here.http.post(f"/v1/requests/{brief['id']}/retry")
            assert (retried.status_code, retried.json()["code"]) == (410, "data_expired")
            assert (await here.get(kept["id"]))["output"] == kept["output"]

    async def recorded() -> bool:
        return spaces("log", "verify", "--home", str(stack.home)).returncode == 0

    await until(recorded, "the log is whole")
