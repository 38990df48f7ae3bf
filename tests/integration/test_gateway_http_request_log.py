"""What is recorded of a request, as the API shows it."""

from services.contracts.connections import Refused
from tests.support.elsewhere import Elsewhere
from tests.support.http_events import submitted
from tests.support.http_fixtures import bus, elsewhere, gateway
from tests.support.http_gateway import ADA, BOB, Gateway

__all__ = ["bus", "elsewhere", "gateway"]


async def test_the_log_of_a_request_has_each_event_with_its_sequence_and_who_caused_it(
    gateway: Gateway, elsewhere: Elsewhere
) -> None:
    rid = await submitted(gateway)
    await elsewhere.assign(rid)
    await elsewhere.succeed(rid)
    answer = await gateway.call("GET", f"/v1/requests/{rid}/log")
    assert answer.status == 200
    log = answer.json["results"]
    assert [(event["type"], event["attempt"]) for event in log] == [("accepted", 0), ("assigned", 1), ("succeeded", 1)]
    assert [event["data"]["prev_seq"] for event in log] == [0, log[0]["seq"], log[1]["seq"]]
    assert log[0]["actor"] == "user:ada"
    assert log[0]["at"] == (await gateway.read(rid)).json["created_at"]


async def test_payloads_and_digests_of_keys_are_not_in_the_log(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = await submitted(gateway)
    await elsewhere.assign(rid)
    await elsewhere.succeed(rid)
    answer = await gateway.call("GET", f"/v1/requests/{rid}/log")
    for event in answer.json["results"]:
        assert not {"input", "output", "metadata", "key_digest", "rid", "space"} & set(event["data"])


async def test_refused_frames_are_in_the_log_as_far_as_history_answers(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = await submitted(gateway)
    assert (await gateway.call("GET", f"/v1/requests/{rid}/log")).json["refused"] is None
    frame = Refused(id="e", conn="c", agent="ada/gpu", gateway="g9", rid=rid, lease=7, frame="result", reason="superseded")
    await elsewhere.answer_as_history({}, {rid: [frame]})
    (refused,) = (await gateway.call("GET", f"/v1/requests/{rid}/log")).json["refused"]
    assert (refused["frame"], refused["reason"], refused["agent"], refused["lease"]) == (
        "result",
        "superseded",
        "ada/gpu",
        7,
    )


async def test_the_logs_of_others_are_not_found(gateway: Gateway) -> None:
    rid = await submitted(gateway)
    for key, status in ((BOB, 404), (ADA, 200)):
        assert (await gateway.call("GET", f"/v1/requests/{rid}/log", key=key)).status == status
    assert (await gateway.call("GET", "/v1/requests/nonsense/log")).status == 404
