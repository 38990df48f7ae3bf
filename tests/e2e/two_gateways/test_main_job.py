"""The main job: a request goes in at one gateway, its agent is at another, and every step is an event."""

import asyncio
import json

from tests.support.stack import Stack, spaces
from tests.support.world import agent, client, in_stream, most_at_once, recorded, types

REQUESTS, AGENTS, SLOTS = 200, 2, 4


def verified(stack: Stack) -> None:
    done = spaces("log", "verify", "--home", str(stack.home))
    assert done.returncode == 0, done.stdout + done.stderr


async def test_submitted_at_one_gateway_run_by_an_agent_at_another(stack: Stack) -> None:
    traceparent = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    directory = stack.home / "go-at-once"
    directory.mkdir()
    (directory / "go").touch()
    with agent(stack, "marked", gateways=[1]):
        async with client(stack, 0) as here:
            request = await here.submit({"directory": str(directory)}, wait=30, headers={"traceparent": traceparent})
        assert (request["status"], request["output"]["attempt"]) == ("succeeded", 1)
        assert request["output"]["traceparent"].split("-")[1] == "ab" * 16, "the trace reaches the handler"
        async with client(stack, 1) as there:
            assert await there.get(request["id"]) == request, "every gateway shows the same"
    log = (await recorded(stack, {request["id"]}))[request["id"]]
    stream = (await in_stream(stack))[request["id"]]
    assert types(stream) == types(log) == ["accepted", "assigned", "succeeded"]
    assert [event.seq for event in stream] == [event.seq for event in log]
    gateways = {stream[1].data["gateway"], stream[0].data["origin"]}
    assert len(gateways) == 2, "the agent's gateway is not the one where the request came in"
    verified(stack)


async def test_many_at_once_are_all_answered_and_no_agent_is_given_more_than_its_slots(stack: Stack) -> None:
    with agent(stack, "counted", slots=SLOTS, name="agent-a"), agent(stack, "counted", slots=SLOTS, name="agent-b"):
        async with client(stack, 0) as a, client(stack, 1) as b:
            inputs = [{"n": n, "hold_s": 0.02} for n in range(REQUESTS)]
            submissions = [(a, b)[input["n"] % 2].submit(input, wait=60) for input in inputs]  # type: ignore[call-overload]
            answers = await asyncio.gather(*submissions)
    assert [answer["output"]["n"] for answer in answers] == list(range(REQUESTS))
    assert max(answer["output"]["running"] for answer in answers) <= SLOTS, "as the handlers counted"
    chains = await recorded(stack, {answer["id"] for answer in answers})
    assert all(types(chain).count("succeeded") == 1 and types(chain)[-1] == "succeeded" for chain in chains.values())
    most = most_at_once(chains)
    assert len(most) == AGENTS
    assert max(most.values()) <= SLOTS, f"as the events say: {most}"
    verified(stack)


async def test_a_handler_that_raises_fails_its_request_and_says_why(stack: Stack) -> None:
    with agent(stack, "raising"):
        async with client(stack) as here:
            request = await here.submit({}, wait=30)
    assert request["status"] == "failed"
    assert request["error"]["code"] == "handler_error"
    assert "no such model" in request["error"]["detail"]
    assert "Traceback" not in json.dumps(request)


async def test_an_output_over_the_limit_fails_its_request(stack: Stack) -> None:
    with agent(stack, "verbose"):
        async with client(stack) as here:
            request = await here.submit({}, wait=30)
    assert (request["status"], request["error"]["code"]) == ("failed", "output_too_large")


async def test_a_handler_that_takes_too_long_fails_its_request_and_the_slot_is_free_when_it_has_ended(
    stack: Stack,
) -> None:
    with agent(stack, "counted", slots=1):
        async with client(stack) as here:
            slow = await here.submit({"n": 1, "hold_s": 3.0}, wait=30, policy={"execution_timeout_s": 1.0})
            assert (slow["status"], slow["error"]["code"]) == ("failed", "execution_timeout")
            after = await here.submit({"n": 2, "hold_s": 0.0}, wait=30)
    assert after["output"] == {"n": 2, "running": 1}, "the second handler did not start before the first had ended"


async def test_a_request_that_no_agent_serves_says_why_it_waits_and_expires(stack: Stack) -> None:
    async with client(stack) as here:
        await here.unserved()
        request = await here.submit({}, policy={"start_timeout_s": 10.0})
        queue = await here.queue_of(request["id"])
        assert (queue["position"], queue["reason"]) == (1, "no_agent_online")
        done = await here.finished(request["id"])
    assert done["status"] == "expired"
    assert done["error"]["code"] == "start_timeout"


async def test_the_rebuilt_read_tables_equal_the_live_ones(stack: Stack) -> None:
    done = spaces("log", "rebuild", "--home", str(stack.home))
    assert done.returncode == 0, done.stdout + done.stderr
    verified(stack)
