"""Files of the client, against a scripted server on a real socket."""

import base64
import hashlib
import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from spaces_client import DamagedFile, InvalidAnswer, ProblemError, Unreachable, references
from spaces_client.uploading import TRIES
from tests.support.clients import Connect
from tests.unit.client.scripted_files import CONTENT, ID, PATH, begun, file, has, sends
from tests.unit.client.scripted_server import ScriptedServer, Step, answer, cut, no_content, nowhere, problem

KEY = "wsk_secret"
SMALL = b"a small file"


@pytest.fixture(autouse=True)
def quick(delays: list[float]) -> list[float]:
    """No waiting between tries."""
    return delays


def read_of(connect: Connect, target: Any, *steps: Step, content: bytes = CONTENT) -> list[Any]:
    """Download a file of that content from a server that goes by the script; what the server received."""
    with ScriptedServer(answer(file(content)), *steps) as server, connect(server.url, KEY) as client:
        assert client.download(ID, target).id == ID
    return server.received


def test_a_small_file_is_sent_at_once(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "a b.txt").write_bytes(SMALL)
    passed = []
    with ScriptedServer(answer(file(SMALL), 201)) as server, connect(server.url, KEY) as client:
        sent = client.upload("demo", tmp_path / "a b.txt", progress=lambda *told: passed.append(told))
    assert (sent.reference, sent.done, sent.sha256) == (f"/v1/files/{ID}", True, hashlib.sha256(SMALL).hexdigest())
    (received,) = server.received
    assert (received.method, received.path) == ("POST", "/v1/files?space=demo&name=a+b.txt")
    assert received.body == SMALL
    assert "content-type" not in received.headers, "the gateway looks at the bytes"
    assert passed == [(len(SMALL), len(SMALL))]


def test_a_large_file_is_sent_so_that_it_can_be_gone_on_with(connect: Connect) -> None:
    passed: list[tuple[int, int]] = []
    script = [begun(), has(len(CONTENT)), answer(file())]
    with ScriptedServer(*script) as server, connect(server.url, KEY) as client:
        sent = client.upload(
            "demo", CONTENT, name="ü.mp4", media_type="video/mp4", progress=lambda *told: passed.append(told)
        )  # fmt: skip
    assert sent.done
    made, appended, _ = server.received
    assert (made.method, made.path, made.body) == ("POST", "/v1/files?space=demo", b"")
    assert made.headers["upload-length"] == str(len(CONTENT))
    said = dict(pair.split(" ") for pair in made.headers["upload-metadata"].split(","))
    assert {key: base64.b64decode(text).decode() for key, text in said.items()} == {
        "filename": "ü.mp4",
        "filetype": "video/mp4",
    }
    assert (appended.method, appended.path, appended.headers["upload-offset"]) == ("PATCH", PATH, "0")
    assert appended.body == CONTENT
    assert passed[-1] == (len(CONTENT), len(CONTENT))
    assert [count for count, _ in passed] == sorted({count for count, _ in passed})


@pytest.mark.parametrize("trouble", [cut, problem(503, "unavailable"), problem(409, "offset_mismatch")])
def test_an_upload_that_is_cut_goes_on_where_the_gateway_is(connect: Connect, trouble: Step) -> None:
    script = [begun(), trouble, cut, has(1_000_001, 200), has(len(CONTENT)), answer(file())]
    with ScriptedServer(*script) as server, connect(server.url, KEY) as client:
        assert client.upload("demo", io.BytesIO(CONTENT)).done
    assert [received.method for received in server.received] == ["POST", "PATCH", "HEAD", "HEAD", "PATCH", "GET"]
    again = server.received[4]
    assert again.headers["upload-offset"] == "1000001"
    assert again.body == CONTENT[1_000_001:]


def test_an_upload_whose_last_answer_was_lost_is_whole(connect: Connect) -> None:
    script = [begun(), cut, has(len(CONTENT), 200), answer(file())]
    with ScriptedServer(*script) as server, connect(server.url, KEY) as client:
        assert client.upload("demo", CONTENT).done


def test_an_upload_through_which_nothing_gets_is_given_up(connect: Connect, quick: list[float]) -> None:
    script = [begun(), cut, *[has(0, 200), cut] * (TRIES - 1)]
    with ScriptedServer(*script) as server, connect(server.url, KEY) as client, pytest.raises(Unreachable):
        client.upload("demo", CONTENT)
    assert len(quick) == TRIES - 1
    assert quick == sorted(quick), "it waits longer each time"


def test_an_upload_that_is_refused_is_told_at_once(connect: Connect) -> None:
    refusal = problem(413, "payload_too_large")
    with (
        ScriptedServer(refusal, begun(), refusal) as server,
        connect(server.url, KEY) as client,
    ):
        for _ in range(2):
            with pytest.raises(ProblemError, match="payload_too_large"):
                client.upload("demo", CONTENT)
    assert [received.body for received in server.received[:1]] == [b""], "before anything is sent"


def test_a_gateway_that_has_other_bytes_is_told(connect: Connect) -> None:
    with ScriptedServer(answer(file(b"other"), 201)) as server, pytest.raises(DamagedFile):
        connect(server.url, KEY).upload("demo", SMALL)


def test_a_key_that_may_not_read_uploads(connect: Connect) -> None:
    script = [begun(), has(len(CONTENT)), problem(403, "forbidden")]
    with ScriptedServer(*script) as server, connect(server.url, KEY) as client:
        assert client.upload("demo", CONTENT).reference == f"/v1/files/{ID}"


def test_what_stands_before_a_stream_is_not_sent(connect: Connect) -> None:
    stream = io.BytesIO(b"before" + SMALL)
    stream.seek(6)
    with ScriptedServer(answer(file(SMALL), 201)) as server, connect(server.url, KEY) as client:
        client.upload("demo", stream)
    assert server.received[0].body == SMALL


def test_a_pipe_is_sent_and_gone_on_with(connect: Connect) -> None:
    reading, writing = os.pipe()
    content = CONTENT[: 2 * 1024 * 1024]
    script = [begun(content), cut, has(5, 200), has(len(content)), answer(file(content))]
    with os.fdopen(writing, "wb") as end, os.fdopen(reading, "rb") as stream:

        def write() -> None:
            end.write(content)
            end.close()

        writer = threading.Thread(target=write)
        writer.start()
        with ScriptedServer(*script) as server, connect(server.url, KEY) as client:
            client.upload("demo", stream)
        writer.join()
    assert server.received[3].body == content[5:]


def test_a_file_that_is_not_there_is_told_and_nothing_sent(connect: Connect, tmp_path: Path) -> None:
    with nowhere() as url, pytest.raises(FileNotFoundError):
        connect(url, KEY).upload("demo", tmp_path / "none")


def test_what_is_no_media_type_is_not_sent(connect: Connect) -> None:
    with nowhere() as url, pytest.raises(ValueError, match="media type"):
        connect(url, KEY).upload("demo", SMALL, media_type="a\r\nX: y")


def test_a_download_is_at_its_path_when_it_is_whole(connect: Connect, tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    target.write_bytes(b"the old one")
    received = read_of(connect, target, sends(CONTENT))
    assert target.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [target]
    assert [each.path for each in received] == [PATH, f"{PATH}/content"]
    assert received[1].headers["accept-encoding"] == "identity"
    assert "range" not in received[1].headers


def test_a_download_that_is_cut_goes_on_where_it_was(connect: Connect, tmp_path: Path) -> None:
    steps = [sends(CONTENT, upto=1_000_000), cut, problem(503, "unavailable"), sends(CONTENT, 1_000_000)]
    received = read_of(connect, tmp_path / "clip.mp4", *steps)
    assert (tmp_path / "clip.mp4").read_bytes() == CONTENT
    for each in received[2:]:
        assert each.headers["range"] == "bytes=1000000-"
        assert each.headers["if-range"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'


def test_a_gateway_may_send_all_of_it_again(connect: Connect) -> None:
    target = io.BytesIO()
    read_of(connect, target, sends(CONTENT, upto=1_000_000), sends(CONTENT, 900_000), content=CONTENT)
    assert target.getvalue() == CONTENT
    target = io.BytesIO()
    read_of(connect, target, sends(CONTENT, upto=1_000_000), sends(CONTENT))
    assert target.getvalue() == CONTENT


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ([sends(CONTENT[:-1] + b"x")], DamagedFile),
        ([sends(CONTENT + b"x")], DamagedFile),
        ([sends(CONTENT, upto=1000), sends(CONTENT, 2000)], InvalidAnswer),
        ([sends(CONTENT, upto=1000), sends(CONTENT[:-1] + b"x", 1000)], DamagedFile),
        ([problem(410, "data_expired")], ProblemError),
        ([cut] * TRIES, Unreachable),
    ],
    ids=["other", "longer", "elsewhere", "another", "gone", "unreachable"],
)
def test_what_is_not_the_file_leaves_nothing(
    connect: Connect, tmp_path: Path, sent: list[Step], error: type[Exception]
) -> None:
    with (
        ScriptedServer(answer(file()), *sent) as server,
        connect(server.url, KEY) as client,
        pytest.raises(error),
    ):
        client.download(f"/v1/files/{ID}", tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_downloaded(connect: Connect, tmp_path: Path) -> None:
    read_of(connect, tmp_path / "empty", content=b"")
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_file_that_is_not_whole_is_not_downloaded(connect: Connect, tmp_path: Path) -> None:
    with ScriptedServer(begun()) as server, pytest.raises(ProblemError, match="not_done"):
        connect(server.url, KEY).download(ID, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_the_gateway_tells_is_no_path(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    with ScriptedServer(answer(file(SMALL, name="../evil"))) as server, pytest.raises(IsADirectoryError):
        connect(server.url, KEY).download(ID, tmp_path / "inner")
    assert list(tmp_path.rglob("*")) == [tmp_path / "inner"]


def test_who_does_not_want_the_rest_leaves_nothing(connect: Connect, tmp_path: Path) -> None:
    def enough(*_: int) -> None:
        raise KeyError("enough")

    with ScriptedServer(answer(file()), sends(CONTENT)) as server, connect(server.url, KEY) as client:
        with pytest.raises(KeyError):
            client.download(ID, tmp_path / "x", progress=enough)
        assert list(tmp_path.iterdir()) == []


def test_files_are_listed_shown_and_deleted(connect: Connect) -> None:
    script = [answer({"results": [file()], "next": None}), answer(file()), no_content]
    with ScriptedServer(*script) as server, connect(server.url, KEY) as client:
        assert [each.name for each in client.files(space="demo", limit=3)] == ["clip.mp4"]
        shown = client.file(f"/v1/files/{ID}")
        client.delete_file(ID)
    assert (shown.size, shown.urls.content) == (len(CONTENT), f"/v1/files/{ID}/content?token=t")
    assert [(each.method, each.path) for each in server.received] == [
        ("GET", "/v1/files?space=demo&limit=3"),
        ("GET", PATH),
        ("DELETE", PATH),
    ]


def test_references_are_found_wherever_they_stand() -> None:
    value = {"a": ["/v1/files/x.2", {"b": "/v1/files/x.1"}], "c": "see /v1/files/x.3", "d": ("/v1/files/x.2", 7, None)}
    assert references(value) == ["/v1/files/x.2", "/v1/files/x.1"]
    assert references("/v1/files/x.1") == ["/v1/files/x.1"]
    assert references("/v1/files/../users") == []
