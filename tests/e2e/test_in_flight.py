"""Limits of what runs at once, set and seen over HTTP on a real stack."""

from pathlib import Path
from typing import Any

from tests.support.stack import Stack
from tests.support.world import Client, agent, client, marker, most_at_once, ready, recorded, until


async def limited(here: Client, space: str, **limits: int | None) -> None:
    answer = await here.http.patch(f"/v1/spaces/{space}", json=limits)
    assert answer.is_success, answer.text


async def waits_for_quota(here: Client, rid: str) -> dict[str, Any]:
    async def says_so() -> dict[str, Any] | None:
        request = await here.get(rid)
        assert request["status"] == "queued"
        return request if request["queue"]["reason"] == "quota" else None

    request: dict[str, Any] = await until(says_so, f"{rid} waits for a quota")
    return request


async def submitted(here: Client, directory: Path, n: int, key: str = "") -> str:
    """Request `n` of the user, whose handler ends when the test lets it."""
    at = directory / str(n)
    at.mkdir()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return str((await here.submit({"directory": str(at)}, headers=headers))["id"])


def let_go(directory: Path, n: int) -> None:
    (directory / str(n) / "go").touch()


async def test_what_a_users_limit_keeps_waiting_says_quota_and_then_runs(stack: Stack, tmp_path: Path) -> None:
    await ready(stack)
    with agent(stack, "marked"):
        async with client(stack) as here:
            await limited(here, stack.ready.space, max_in_flight_per_user=1)
            rids = [await submitted(here, tmp_path, n) for n in range(3)]
            await marker(tmp_path / "0" / "started-1", "the first runs")
            waiting = await waits_for_quota(here, rids[1])
            assert waiting["queue"] == {"position": 1, "reason": "quota", "eta_s": None}
            for n in range(3):
                let_go(tmp_path, n)
            assert [(await here.finished(rid))["status"] for rid in rids] == ["succeeded"] * 3
            await limited(here, stack.ready.space, max_in_flight_per_user=None)
    assert set(most_at_once(await recorded(stack, set(rids))).values()) == {1}


async def test_what_a_keys_limit_keeps_waiting_says_quota_while_other_keys_go_on(stack: Stack, tmp_path: Path) -> None:
    await ready(stack)
    with agent(stack, "marked"):
        async with client(stack) as here:
            made = await here.http.post("/v1/keys", json={"name": "one at a time", "max_in_flight": 1})
            key = made.json()["secret"]
            rids = [await submitted(here, tmp_path, n, key) for n in range(2)]
            rids.append(await submitted(here, tmp_path, 2))
            await marker(tmp_path / "0" / "started-1", "the first of the key runs")
            await marker(tmp_path / "2" / "started-1", "that of another key runs")
            await waits_for_quota(here, rids[1])
            let_go(tmp_path, 0)
            await marker(tmp_path / "1" / "started-1", "the second of the key runs")
            let_go(tmp_path, 1)
            let_go(tmp_path, 2)
            assert [(await here.finished(rid))["status"] for rid in rids] == ["succeeded"] * 3
