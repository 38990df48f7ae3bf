"""The whole product at work, in a minute: `make demo`, or `python -m examples.digits.demo`.

It starts `spaces up` in a temporary directory and the agent of this example, submits 20 handwritten digits over HTTP, prints
the answers and the timeline of one request, and stops and deletes everything. Exit status 1: fewer than 90 % right, or a
timeline incomplete.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx

from examples.digits import model, picture, timeline
from examples.digits.model import Sample
from examples.stack import ProgramFailed, Stack, open_directory, running_program, running_stack, wait_for_agent

REQUESTS = 20
NEEDED = 0.9
_ANSWER_TIMEOUT_S = 60.0
_LOG_TIMEOUT_S = 20.0


class Answer(NamedTuple):
    """What came back for one picture. `digit` is None when no answer did; `said` tells why."""

    rid: str
    sample: Sample
    form: str
    digit: int | None
    confidence: float
    took_ms: float
    said: str = ""

    @property
    def right(self) -> bool:
        """Whether the agent read the digit that the picture shows."""
        return self.digit == self.sample.digit


async def demo() -> int:
    """Run it all; the exit status. Raises ProgramFailed."""
    async with open_directory("spaces-demo-") as directory:
        say("[1/5] Starting the stack: NATS, PostgreSQL, gateway, registry, dispatcher, history …")
        async with running_stack(directory) as (stack, _):
            say(f"      ready: {stack.url}, space “{stack.space}”")
            say("[2/5] Starting an agent that dials out to the gateway and reads handwritten digits …")
            agent_log = directory / "agent.log"
            async with running_program(agent_command(stack, directory), agent_log, {"WS_AGENT_KEY": stack.agent_key}):
                database = await asyncpg.connect(stack.database_url)
                try:
                    good = await requests_and_timeline(stack, database, agent_log)
                finally:
                    await database.close()
            say("[5/5] Stopping everything …")
    say("      nothing is left running, and the temporary directory is gone.")
    say("The demo has succeeded." if good else "The demo has FAILED: see above.")
    return 0 if good else 1


async def requests_and_timeline(stack: Stack, database: asyncpg.Connection, agent_log: Path) -> bool:
    """Submit the digits and read the log; whether all is as it should be."""
    await wait_for_agent(stack, agent_log)
    say("      " + "\n      ".join(agent_log.read_text().splitlines()))
    say(f"[3/5] Submitting {REQUESTS} digits that the classifier has never seen, at once, half of them as PNG …")
    answers = await submit_all(stack, model.held_out()[:REQUESTS])
    for number, answer in enumerate(answers, 1):
        say(f"      {shown(number, answer)}")
    right = sum(answer.right for answer in answers)
    say(f"      {right} of {REQUESTS} right (needed: {NEEDED:.0%})")
    say("[4/5] Reading the timelines back from PostgreSQL, where every event is recorded …")
    timelines = [await timeline.read(database, answer.rid, _LOG_TIMEOUT_S) for answer in answers if answer.rid]
    complete = sum(map(timeline.is_complete, timelines))
    say(f"      {complete} of {REQUESTS} complete: {', '.join(timeline.COMPLETE)}. That of the first request:")
    if timelines:
        say(f"      request {answers[0].rid}")
        say("      " + "\n      ".join(timeline.lines(timelines[0])))
    return right >= NEEDED * REQUESTS and complete == REQUESTS


async def submit_all(stack: Stack, samples: Sequence[Sample]) -> list[Answer]:
    """Submit all samples at once, every other one as a PNG."""
    headers = {"Authorization": f"Bearer {stack.api_key}", "Prefer": "wait=30"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=_ANSWER_TIMEOUT_S) as client:
        forms = ["pixels" if number % 2 == 0 else "image" for number in range(len(samples))]
        answers = (submit(client, stack.space, *pair) for pair in zip(samples, forms, strict=True))
        return await asyncio.gather(*answers)


async def submit(client: httpx.AsyncClient, space: str, sample: Sample, form: str) -> Answer:
    """Submit one sample and wait for its answer."""
    value = sample.pixels if form == "pixels" else picture.data_uri(sample.pixels)
    began = time.monotonic()
    rid, said = "", ""
    try:
        response = await client.post(f"/v1/spaces/{space}/requests", json={"input": {form: value}})
        while response.is_success:
            request = response.json()
            rid, took_ms = request["id"], (time.monotonic() - began) * 1000
            if request["status"] == "succeeded":
                return Answer(rid, sample, form, request["output"]["digit"], request["output"]["confidence"], took_ms)
            if request["done"] or took_ms > _ANSWER_TIMEOUT_S * 1000:
                said = (request["error"] or {}).get("detail") or f"the request is {request['status']}"
                break
            await asyncio.sleep(0.5)
            response = await client.get(request["urls"]["self"])
        else:
            said = f"HTTP {response.status_code}: {response.text[:200]}"
    except httpx.HTTPError as error:
        said = f"{type(error).__name__} {error}"
    return Answer(rid, sample, form, None, 0.0, (time.monotonic() - began) * 1000, said)


def agent_command(stack: Stack, directory: Path) -> list[str]:
    """How to start the agent; its key goes by the environment, where other users cannot see it."""
    urls = [part for url in stack.urls for part in ("--url", url)]
    state = ["--state-dir", str(directory / "agent")]
    return [sys.executable, "-m", "examples.digits.agent", *urls, "--space", stack.space, *state]


def shown(number: int, answer: Answer) -> str:
    """One line about one answer."""
    start = f"{number:>2}  as {answer.form:<6}  expected {answer.sample.digit}"
    if answer.digit is None:
        return f"{start}  no answer: {answer.said}"
    verdict = "ok" if answer.right else "wrong"
    return f"{start}  got {answer.digit}  confidence {answer.confidence:.2f}  {answer.took_ms:6.1f} ms  {verdict}"


def say(text: str) -> None:
    """Print it now, also into a pipe."""
    print(text, flush=True)


async def until_terminated() -> int:
    """The demo; SIGTERM ends it as Ctrl-C does: in order."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await demo()


def main() -> int:
    """The command."""
    try:
        return asyncio.run(until_terminated())
    except ProgramFailed as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        with suppress(OSError):
            say("\nstopped; nothing is left running.")
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
