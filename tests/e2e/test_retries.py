"""Handlers that ask to be tried again, on a real stack."""

from tests.support.stack import Stack
from tests.support.world import agent, client, ready, recorded, types


async def test_a_handler_is_tried_again_while_attempts_are_left(stack: Stack) -> None:
    await ready(stack)
    with agent(stack, "flaky"):
        async with client(stack) as here:
            mended = await here.submit({"succeeds_at": 2}, wait=30, policy={"max_attempts": 2})
            hopeless = await here.submit({"succeeds_at": 9}, wait=30, policy={"max_attempts": 2})
            single = await here.submit({"succeeds_at": 2}, wait=30)
    assert (mended["status"], mended["attempt"], mended["output"]) == ("succeeded", 2, 2)
    assert (hopeless["status"], hopeless["attempt"]) == ("failed", 2)
    assert (hopeless["error"]["detail"], hopeless["error"]["retryable"]) == ("attempt 2 is not the one", True)
    assert (single["status"], single["attempt"]) == ("failed", 1)
    chains = await recorded(stack, {mended["id"], hopeless["id"], single["id"]})
    chain = chains[mended["id"]]
    assert types(chain) == ["accepted", "assigned", "requeued", "assigned", "succeeded"]
    assert (chain[2].data["reason"], chain[2].data["delay_s"]) == ("retryable", 1.0)
    assert types(chains[hopeless["id"]]) == ["accepted", "assigned", "requeued", "assigned", "failed"]
