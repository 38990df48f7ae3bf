"""The disk of NATS is full, for real: a small file system of its own, and something that fills it."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.gateway.admission import UNWRITTEN_S
from tests.faults.suite.check import check
from tests.faults.suite.run import World, observe

SIZE = "64m"
LEFT_BYTES = 100_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system that is soon full."""
    if os.geteuid() != 0 and not os.environ.get("CI"):
        pytest.skip("only root may mount a file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", str(tmp_path)], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


async def refusal(url: str, key: str, space: str) -> httpx.Response:
    """The answer to a submission, once it is refused at once; before that, nobody knows whether it was stored."""
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=1.0) as http:
        while True:
            with contextlib.suppress(httpx.ReadTimeout):
                answer = await http.post(f"/v1/spaces/{space}/requests", json={"input": {"words": 1}})
                if not answer.is_success:
                    return answer
                await asyncio.sleep(0.1)


@pytest.mark.timeout(300)
async def test_admission_stops_with_a_clear_error_and_what_was_accepted_is_kept(small_disk: Path) -> None:
    async def scenario(world: World) -> None:
        platform = world.platform
        async with world.load(4):
            while world.observer.outcomes < 20:
                await asyncio.sleep(0.1)
            async with world.fault("disk full"):
                space_left = os.statvfs(small_disk)
                ballast = small_disk / "ballast"
                ballast.write_bytes(bytes(space_left.f_bavail * space_left.f_frsize - LEFT_BYTES))
                async with asyncio.timeout(UNWRITTEN_S + 30):
                    refused = [refusal(url, platform.api_key, platform.space) for url in platform.urls]
                    answers = await asyncio.gather(*refused)
                for answer in answers:
                    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
                    assert "takes no writes" in answer.json()["detail"]
                    assert answer.headers["Retry-After"]
                ballast.unlink()
                # nats-server writes nothing any more until it is started again (2.15.1, measured).
                await asyncio.to_thread(platform.servers.nats.stop)
                await asyncio.to_thread(platform.servers.nats.start)
            outcomes = world.observer.outcomes
            await platform.until(lambda: _more(world, outcomes + 20), "requests are answered again")

    found = check(await observe(scenario, seed=1, store=small_disk))
    assert found == [], "\n".join(map(str, found))


async def _more(world: World, outcomes: int) -> bool:
    return world.observer.outcomes >= outcomes
