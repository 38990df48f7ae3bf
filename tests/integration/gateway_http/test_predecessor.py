"""The predecessor's routes: on a real nats-server, with the test as dispatcher and agent."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from services.contracts.events import Accepted
from services.contracts.rpc import SpaceQueue
from services.gateway.predecessor import DEPRECATED_AT
from tests.support.bus import Bus, running_bus
from tests.support.elsewhere import Elsewhere
from tests.support.http_gateway import BOB, Gateway, HttpAnswer, fill_directory

SUBMIT, FORM = "/websockets/submit/demo", "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        await fill_directory(here)
        yield here


@pytest.fixture
async def elsewhere(bus: Bus) -> Elsewhere:
    """With an agent of the space demo connected."""
    here = await Elsewhere.connect(bus)
    await here.answer_about_queue("demo", lambda: SpaceQueue(waiting=0, online=True))
    return here


async def submit(gateway: Gateway, body: bytes = b"prompt=hello+world", **headers: str) -> HttpAnswer:
    return await gateway.call("POST", SUBMIT, body, **{"Content_Type": FORM, **headers})


def form(*fields: tuple[str, bytes], ending: bytes = b"--\r\n") -> bytes:
    """The body of a form with the boundary `x`, of fields with their Content-Disposition behind the name."""
    parts = [
        b"--x\r\nContent-Disposition: form-data; name=%s\r\n\r\n%s\r\n" % (name.encode(), data) for name, data in fields
    ]
    return b"".join(parts) + b"--x" + ending


async def read(gateway: Gateway, rid: str, **headers: str) -> HttpAnswer:
    return await gateway.call("GET", f"/websockets/status?request_id={rid}", **headers)


async def test_a_form_is_a_request_and_its_status_is_read(gateway: Gateway, elsewhere: Elsewhere) -> None:
    submitted = await submit(gateway)
    rid = submitted.json["request_id"]
    assert (submitted.status, submitted.json["status"], submitted.json["space_id"]) == (200, "queued", "demo")
    event, _ = await elsewhere.last(rid)
    assert isinstance(event, Accepted)
    assert (msgspec.json.decode(event.input), event.start_timeout_s) == ({"prompt": "hello world"}, 120)
    assert (await read(gateway, rid)).json == submitted.json

    await elsewhere.assign(rid)
    assert (await read(gateway, rid)).json["status"] == "processing"
    await elsewhere.succeed(rid)
    completed = (await read(gateway, rid)).json
    assert (completed["status"], completed["result"], completed["error"]) == ("completed", {"answer": 42}, None)
    assert (await gateway.call("GET", completed["url"])).json["status"] == "succeeded"


async def test_every_answer_says_that_it_is_deprecated(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = (await submit(gateway)).json["request_id"]
    answers = [await submit(gateway), await submit(gateway, b""), await read(gateway, rid), await read(gateway, "none")]
    assert [answer.status for answer in answers] == [200, 422, 200, 404]
    assert {answer.headers["Deprecation"] for answer in answers} == {f"@{DEPRECATED_AT}"}
    assert 'rel="deprecation"' in answers[0].headers["Link"]


async def test_without_an_agent_nothing_is_accepted(gateway: Gateway, bus: Bus) -> None:
    await (await Elsewhere.connect(bus)).answer_about_queue("demo", lambda: SpaceQueue(waiting=0, online=False))
    refused = await submit(gateway)
    assert (refused.status, refused.json["code"]) == (503, "no_agent_online")


async def test_the_same_key_is_the_same_request(gateway: Gateway, elsewhere: Elsewhere) -> None:
    first, again = [await submit(gateway, Idempotency_Key="a") for _ in range(2)]
    assert first.json == again.json
    files = [form(('file; filename="a"', b"the same")) for _ in range(2)]
    with_file, once_more = [await submit(gateway, body, Content_Type=MULTIPART, Idempotency_Key="b") for body in files]
    assert (with_file.status, with_file.json) == (200, once_more.json)
    other = await submit(gateway, b"prompt=other", Idempotency_Key="a")
    assert (other.status, other.json["code"]) == (422, "idempotency_mismatch")


async def test_another_users_request_is_not_shown(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = (await submit(gateway)).json["request_id"]
    assert (await read(gateway, rid, key=BOB)).status == 404


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b'{"prompt":"x"}', "application/json", "invalid_request"),
        (b"prompt=%ff", FORM, "invalid_request"),
        (b"prompt", FORM, "invalid_request"),
        (b"&".join(b"f%d=1" % n for n in range(17)), FORM, "invalid_request"),
        (b"text=x", FORM, "input_invalid"),
        (b"prompt=" + b"x" * 9_000_000, FORM, "payload_too_large"),
        (b"prompt=" + b'"' * 5_000_000, FORM, "payload_too_large"),
        (form(*((name, b"x" * 5_000_000) for name in ("prompt", "file"))), MULTIPART, "payload_too_large"),
        (form(*(("prompt", b"x" * 3_000_000) for _ in range(3))), MULTIPART, "payload_too_large"),
    ],
    ids=["JSON", "no UTF-8", "no pair", "many", "unknown", "large", "large as JSON", "large together", "large again"],
)
async def test_what_is_no_such_form_is_refused(
    gateway: Gateway, elsewhere: Elsewhere, body: bytes, content_type: str, code: str
) -> None:
    assert (await submit(gateway, body, Content_Type=content_type)).json["code"] == code


async def test_a_status_of_nothing_is_refused(gateway: Gateway) -> None:
    assert (await gateway.call("GET", "/websockets/status")).json["code"] == "invalid_request"
    assert (await gateway.call("GET", "/websockets/status?id=1")).json["code"] == "invalid_request"
    assert (await read(gateway, "nonsense")).json["code"] == "not_found"


async def test_a_form_brings_files(gateway: Gateway, elsewhere: Elsewhere) -> None:
    sound, data = b"RIFF\x24\x00\x00\x00WAVEfmt ", bytes(300_000)
    body = form(
        ("prompt", "hällo".encode()), ('audio; filename="../a.wav"', sound), ("video", b""),
        ('file; filename="b.bin"', data), ('video; filename=""', b""),
    )  # fmt: skip
    submitted = await submit(gateway, body, Content_Type=MULTIPART)
    event, _ = await elsewhere.last(submitted.json["request_id"])
    assert isinstance(event, Accepted)
    input = msgspec.json.decode(event.input)
    assert (set(input), input["prompt"]) == ({"prompt", "audio", "file"}, "hällo")
    assert {f"/v1/files/{id}" for id in event.files} == {input["audio"], input["file"]}
    stored = [(await gateway.call("GET", input[name])).json for name in ("audio", "file")]
    assert [(each["name"], each["size"]) for each in stored] == [("a.wav", len(sound)), ("b.bin", len(data))]
    assert (await gateway.call("GET", stored[1]["urls"]["content"], key="")).body == data


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (form(('prompt; filename="a"', b"x")), "input_invalid"),
        (form(("text", b"x")), "input_invalid"),
        (form(("prompt", b"\xff")), "invalid_request"),
        (form(*[(f"f{n}", b"1") for n in range(17)]), "invalid_request"),
        (form(("prompt", b"x"), ending=b""), "invalid_request"),
        (form(("prompt", bytes(9_000_000))), "payload_too_large"),
        (form(), "input_invalid"),
        (b"", "invalid_request"),
        (b"--x\r\nX-Long: " + b"a" * 200_000, "invalid_request"),
    ],
)
async def test_a_form_that_brings_no_input_is_refused(
    gateway: Gateway, elsewhere: Elsewhere, body: bytes, code: str
) -> None:
    assert (await submit(gateway, body, Content_Type=MULTIPART)).json["code"] == code
