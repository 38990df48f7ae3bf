"""The load of a run: clients that submit, wait, watch, cancel and try again, each as a careful client does, and note all
that they are told."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.faults.suite import journal
from tests.faults.suite.observed import Answer, History, Reading, Shown
from tests.support.readers import Reader, Seen

PATIENCE_S = 150.0
"""How long a client goes on asking before it gives up: longer than any fault, grace and retry together."""
_ANSWER_S = 20.0
_RETRIED = frozenset({500, 502, 503, 504})

Request = dict[str, Any]


class Client:
    """One client with a name of its own, which asks any gateway, or `only` the one of this index."""

    def __init__(self, name: str, workload: "Workload", only: int | None = None) -> None:
        self.name, self._load = name, workload
        self._https = workload.https if only is None else [workload.https[only]]
        self._rng = random.Random(f"{workload.seed}/{name}")

    async def submit(self, input: dict[str, Any], key: str = "", wait_s: int = 0, **policy: Any) -> Request | None:
        """Submit until there is an answer; the request, None when patience has ended."""
        headers = {"Idempotency-Key": key or f"{self._load.seed}-{self.name}-{self._rng.getrandbits(64):x}"}
        if wait_s:
            headers["Prefer"] = f"wait={wait_s}"
        body = {"input": input, **({"policy": policy} if policy else {})}
        return await self._call("submit", "POST", f"/v1/spaces/{self._load.space}/requests", headers, body)

    async def read(self, rid: str) -> Request | None:
        """Read a request."""
        return await self._call("read", "GET", f"/v1/requests/{rid}", {}, None)

    async def cancel(self, rid: str) -> Request | None:
        """Cancel a request; None when it had ended."""
        return await self._call("cancel", "POST", f"/v1/requests/{rid}/cancel", {}, None)

    async def retry(self, rid: str) -> Request | None:
        """Submit a request's input again."""
        headers = {"Idempotency-Key": f"{self._load.seed}-{self.name}-retry-{rid}"}
        return await self._call("retry", "POST", f"/v1/requests/{rid}/retry", headers, None)

    async def finished(self, request: Request | None) -> Request | None:
        """Read it again and again until it has ended."""
        end = asyncio.get_running_loop().time() + PATIENCE_S
        while request is not None and not request["done"] and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(self._rng.uniform(0.02, 0.3))
            request = await self.read(request["id"])
        return request

    async def watch(self, rid: str, enough: Callable[[Seen], bool] | None = None) -> None:
        """Read its events to the end, over as many connections, at as many gateways, as it takes. `enough`: whether to go
        elsewhere after an event."""
        reader = Reader(self._load.urls, self._load.key, rid)
        reading = Reading(rid, [])
        self._load.history.readings.append(reading)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await reader.follow(self._rng.randrange(len(self._load.urls)), enough, self._rng.choice([None, 1.0, 3.0]))
            reading.whole = True
        except TimeoutError:
            pass
        finally:
            reading.shown = [Shown(seen.id, seen.event, seen.data) for seen in reader.seen]

    async def _call(self, operation: Any, method: str, path: str, headers: dict[str, str], body: Any) -> Request | None:
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE_S
        while loop.time() < end:
            http = self._rng.choice(self._https)
            began = journal.now_ns()
            try:
                response = await http.request(method, path, headers=headers, json=body)
            except httpx.TransportError as error:
                self._load.troubles[type(error).__name__] = self._load.troubles.get(type(error).__name__, 0) + 1
                await asyncio.sleep(self._rng.uniform(0.01, 0.1))
                continue
            request = response.json() if response.is_success else None
            self._load.note(operation, response, began, headers, request, self.name)
            if response.status_code not in _RETRIED:
                return request
            await asyncio.sleep(self._rng.uniform(0.05, 0.3))
        return None


class Workload:
    """Clients that are busy until told to stop. `troubles` counts what kept them from an answer."""

    def __init__(self, urls: list[str], key: str, space: str, history: History, seed: int) -> None:
        self.urls, self.key, self.space, self.history, self.seed = urls, key, space, history, seed
        headers = {"Authorization": f"Bearer {key}"}
        self.https = [httpx.AsyncClient(base_url=url, headers=headers, timeout=_ANSWER_S) for url in urls]
        self.troubles: dict[str, int] = {}
        self.stopping = asyncio.Event()
        self.stories: list[Story] = list(STORIES)

    def note(
        self,
        operation: Any,
        response: httpx.Response,
        began: int,
        headers: dict[str, str],
        request: Request | None,
        client: str,
    ) -> None:
        """A client was answered."""
        key = headers.get("Idempotency-Key", "")
        ended = journal.now_ns()
        self.history.answers.append(Answer(client, operation, response.status_code, began, ended, key, request))
        if not response.is_success and response.status_code != 409:
            code = f"{response.status_code} {_code(response)}"
            self.troubles[code] = self.troubles.get(code, 0) + 1

    async def run(self, clients: int, pause_s: float) -> None:
        """So many clients, each with one story after the other, until `stopping` is set and the last story has ended."""
        await asyncio.gather(*(self._busy(number, pause_s) for number in range(clients)))

    async def _busy(self, number: int, pause_s: float) -> None:
        rng = random.Random(f"{self.seed}/busy/{number}")
        turn = 0
        while not self.stopping.is_set():
            turn += 1
            story = rng.choice(self.stories)
            await story(Client(f"client-{number}-{turn}", self), rng)
            await asyncio.sleep(rng.uniform(0, 2 * pause_s))

    async def close(self) -> None:
        """Close the connections."""
        for http in self.https:
            await http.aclose()


Story = Callable[[Client, random.Random], Awaitable[None]]


def _input(rng: random.Random, **more: Any) -> dict[str, Any]:
    return {"words": rng.randrange(30), "pause_s": rng.choice([0.0, 0.0, 0.01, 0.03]), **more}


async def waits(client: Client, rng: random.Random) -> None:
    """Submits, and waits for the answer."""
    await client.finished(await client.submit(_input(rng), wait_s=10))


async def polls(client: Client, rng: random.Random) -> None:
    """Submits, and asks again and again."""
    await client.finished(await client.submit(_input(rng)))


async def watches(client: Client, rng: random.Random) -> None:
    """Submits something longer, and reads along."""
    request = await client.submit({"words": rng.randrange(20, 60), "pause_s": 0.03})
    if request is not None:
        await client.watch(request["id"])
        await client.finished(request)


async def cancels(client: Client, rng: random.Random) -> None:
    """Changes its mind."""
    request = await client.submit(_input(rng, hold_s=rng.choice([0.0, 0.5])))
    if request is not None:
        await asyncio.sleep(rng.choice([0.0, 0.01, rng.uniform(0, 0.5)]))
        await client.cancel(request["id"])
        await client.finished(request)


async def says_it_twice(client: Client, rng: random.Random) -> None:
    """Submits the same with the same key, at two gateways at once and once more."""
    input, key = _input(rng), f"{client.name}-{rng.getrandbits(64):x}"
    twin = Client(f"{client.name}-twin", client._load)
    first, _ = await asyncio.gather(client.submit(input, key), twin.submit(input, key))
    await client.finished(first)
    await client.submit(input, key)


async def tries_again(client: Client, rng: random.Random) -> None:
    """Has a handler that fails at first, and then wants the whole once more."""
    request = await client.finished(await client.submit(_input(rng, succeeds_at=rng.choice([1, 2])), max_attempts=2))
    if request is not None and request["done"]:
        await client.finished(await client.retry(request["id"]))


async def is_impatient(client: Client, rng: random.Random) -> None:
    """Gives little time to start, or to run."""
    policy: dict[str, Any] = rng.choice([{"start_timeout_s": 0.2}, {"execution_timeout_s": 0.5}, {"priority": 5}])
    await client.finished(await client.submit(_input(rng, hold_s=rng.choice([0.0, 1.0])), **policy))


STORIES: tuple[Story, ...] = (waits, waits, polls, watches, cancels, says_it_twice, tries_again, is_impatient)


def _code(response: httpx.Response) -> str:
    try:
        return str(response.json()["code"])
    except (ValueError, KeyError, TypeError):
        return response.text[:60]
