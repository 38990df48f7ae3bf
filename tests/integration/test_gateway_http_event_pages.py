"""The events of a request as JSON, and what reading a request tells of its output."""

from typing import Any

import pytest

from services.contracts.connections import Refused
from services.gateway import feeds
from tests.support.elsewhere import Elsewhere
from tests.support.http_events import submitted
from tests.support.http_fixtures import bus, elsewhere, gateway
from tests.support.http_gateway import BOB, Gateway, HttpAnswer

__all__ = ["bus", "elsewhere", "gateway"]


async def page(gateway: Gateway, rid: str, after: str = "") -> Any:
    answer = await gateway.call("GET", f"/v1/requests/{rid}/events?after={after}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    return answer.json


def shown(page: Any) -> list[str]:
    return [result["event"] for result in page["results"]]


async def test_a_page_has_what_there_is_and_the_next_goes_on(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = await submitted(gateway)
    path = f"/v1/requests/{rid}/events"
    first = (await gateway.call("GET", path, Accept="application/json")).json
    assert (shown(first), first["done"], first["next"]) == (["queued"], False, first["results"][-1]["id"])
    assert await page(gateway, rid, first["next"]) == {"results": [], "next": first["next"], "done": False, "refused": None}
    await elsewhere.assign(rid)
    await elsewhere.say(rid, "hello")
    await elsewhere.say(rid, {"fraction": 1.0}, "progress")
    second = await page(gateway, rid, first["next"])
    assert (shown(second), second["done"]) == (["assigned", "output", "progress"], False)
    assert second["results"][1]["data"] == {"index": 1, "attempt": 1, "data": "hello"}
    await elsewhere.succeed(rid)
    third = await page(gateway, rid, second["next"])
    assert (shown(third), third["done"]) == (["completed"], True)
    assert third["results"][0]["data"] == (await gateway.read(rid)).json
    assert await page(gateway, rid, third["next"]) == {"results": [], "next": third["next"], "done": True, "refused": None}
    whole = await page(gateway, rid)
    assert whole["results"] == first["results"] + second["results"] + third["results"]


async def test_a_long_life_comes_in_pages(gateway: Gateway, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "PAGE_ITEMS", 10)
    rid = await submitted(gateway)
    await elsewhere.assign(rid)
    for n in range(35):
        await elsewhere.say(rid, str(n))
    await elsewhere.succeed(rid)
    pages = [await page(gateway, rid)]
    while not pages[-1]["done"]:
        assert len(pages[-1]["results"]) <= 10
        pages.append(await page(gateway, rid, pages[-1]["next"]))
    found = [result["data"]["data"] for each in pages for result in each["results"] if result["event"] == "output"]
    assert found == [str(n) for n in range(35)]
    assert 3 < len(pages) < 6
    monkeypatch.setattr(feeds, "PAGE_ITEMS", 1000)
    monkeypatch.setattr(feeds, "PAGE_BYTES", 1)
    assert shown(await page(gateway, rid)) == ["queued", "assigned", "output"]


async def test_an_empty_cursor_means_the_beginning(gateway: Gateway) -> None:
    rid = await submitted(gateway)
    assert shown(await page(gateway, rid)) == ["queued"]


async def test_the_refused_frames_about_a_request_are_in_its_timeline(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = await submitted(gateway)
    frame = Refused(id="e", conn="c", agent="ada/gpu", gateway="g9", rid=rid, lease=7, frame="result", reason="superseded")
    await elsewhere.answer_as_history({}, {rid: [frame]})
    assert (await page(gateway, rid))["refused"] == [
        {
            "at": "1970-01-01T00:00:01.000000Z",
            "frame": "result",
            "reason": "superseded",
            "lease": 7,
            "agent": "ada/gpu",
            "gateway": "g9",
        }
    ]
    other = await submitted(gateway)
    assert (await page(gateway, other))["refused"] == []


async def test_pages_of_others_are_not_found(gateway: Gateway) -> None:
    rid = await submitted(gateway)
    answer: HttpAnswer = await gateway.call("GET", f"/v1/requests/{rid}/events?after=1-1-0", key=BOB)
    assert (answer.status, answer.json["code"]) == (404, "not_found")


async def test_a_processing_request_tells_its_progress(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = await submitted(gateway)
    assert (await gateway.read(rid)).json["progress"] is None
    await elsewhere.assign(rid)
    assert (await gateway.read(rid)).json["progress"] is None
    await elsewhere.say(rid, "no progress yet")
    assert (await gateway.read(rid)).json["progress"] is None
    await elsewhere.say(rid, {"fraction": 0.5, "message": "half"}, "progress")
    assert (await gateway.read(rid)).json["progress"] == {"fraction": 0.5, "message": "half"}
    await elsewhere.requeue(rid)
    assert (await gateway.read(rid)).json["progress"] is None
    await elsewhere.assign(rid)
    assert (await gateway.read(rid)).json["progress"] is None, "that of a void attempt"
    await elsewhere.say(rid, {"fraction": 0.1}, "progress")
    assert (await gateway.read(rid)).json["progress"] == {"fraction": 0.1, "message": ""}
    await elsewhere.succeed(rid)
    request = (await gateway.read(rid)).json
    assert request["progress"] is None
    assert request["urls"]["events"] == f"/v1/requests/{rid}/events"
    metrics = request["metrics"]
    assert metrics["first_output_s"] == pytest.approx(metrics["queue_s"] + 0.01 + 0.25, abs=1e-5)
