"""What is done after which answer while a file is brought or taken."""

import json

import pytest

from spaces_agent.address import connect_url, file_url
from spaces_agent.errors import FileFailed, FileGone
from spaces_agent.transfer_steps import (
    MAX_PAUSE_S,
    Again,
    Answer,
    Content,
    Patience,
    appended,
    created,
    metadata,
    range_headers,
    received,
    reference,
)

UPLOAD = "/v1/files?token=t"


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def test_a_download_from_its_beginning_asks_for_no_range() -> None:
    assert range_headers(0, '"x"') == {"Accept-Encoding": "identity"}


def test_a_download_goes_on_only_in_the_same_file() -> None:
    assert range_headers(7, '"x"') == {"Accept-Encoding": "identity", "Range": "bytes=7-", "If-Range": '"x"'}


def test_a_partial_answer_goes_on_where_it_begins() -> None:
    assert received(answer(206, content_range="bytes 7-99/100"), 7) == Content(skip=0)
    assert received(answer(206, content_range="bytes 4-99/100"), 7) == Content(skip=3)


def test_of_a_whole_answer_what_is_there_is_skipped() -> None:
    assert received(answer(200), 7) == Content(skip=7)


@pytest.mark.parametrize("content_range", ["bytes 8-99/100", "bytes */100", "lines 7-9/10", ""])
def test_a_partial_answer_that_leaves_a_gap_is_of_no_use(content_range: str) -> None:
    with pytest.raises(FileFailed) as raised:
        received(answer(206, content_range=content_range), 7)
    assert raised.value.retryable


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_not_there_is_gone(status: int) -> None:
    with pytest.raises(FileGone, match="it expired") as raised:
        received(answer(status, json.dumps({"detail": "it expired"}).encode()), 0)
    assert not raised.value.retryable


@pytest.mark.parametrize("status", [408, 423, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    again = Again(f"the gateway answered HTTP {status}", 3.0)
    assert received(answer(status, retry_after="3"), 0) == again
    assert created(answer(status, retry_after="3"), UPLOAD) == again
    assert appended(answer(status, retry_after="3"), 9) == again


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_url_is_left_to_the_next_attempt(status: int) -> None:
    for step in (lambda said: received(said, 0), lambda said: created(said, UPLOAD), lambda said: appended(said, 9)):
        with pytest.raises(FileFailed) as raised:
            step(answer(status))
        assert raised.value.retryable


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_file_that_is_not_taken_is_not_offered_again(status: int) -> None:
    with pytest.raises(FileFailed, match=r"too much \(HTTP") as raised:
        created(answer(status, b'{"title":"No","detail":"too much"}'), UPLOAD)
    assert not raised.value.retryable


@pytest.mark.parametrize("status", [204, 301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with pytest.raises(FileFailed):
        received(answer(status, location="http://elsewhere.example"), 0)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"detail":7}', b"\xff", b"[" * 100_000])
def test_an_answer_that_is_no_problem_document_is_named_by_its_status(body: bytes) -> None:
    assert received(answer(503, body), 0) == Again("the gateway answered HTTP 503")


@pytest.mark.parametrize("after", ["-1", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT", "nan", "9999999"])
def test_a_strange_retry_after_is_none(after: str) -> None:
    assert received(answer(503, retry_after=after), 0) == Again("the gateway answered HTTP 503")


def test_an_upload_goes_to_where_the_gateway_says_with_the_same_token() -> None:
    assert created(answer(201, location="/v1/files/a.1"), UPLOAD) == "/v1/files/a.1?token=t"
    assert created(answer(201, location="https://h/prefix/v1/files/a.1"), UPLOAD) == "/v1/files/a.1?token=t"
    assert created(answer(201, location="/v1/files/a.1?token=u"), UPLOAD) == "/v1/files/a.1?token=u"
    assert reference("/v1/files/a.1?token=u") == "/v1/files/a.1"


@pytest.mark.parametrize("location", ["", "/v1/spaces", "/v1/files/", "/v1/files/..", "/v1/files/a/b", "https://h/a.1"])
def test_an_upload_goes_nowhere_else(location: str) -> None:
    with pytest.raises(FileFailed):
        created(answer(201, location=location), UPLOAD)


def test_an_upload_goes_on_from_what_the_gateway_has() -> None:
    assert appended(answer(204, upload_offset="5"), 9) == 5
    assert appended(answer(200, upload_offset="9"), 9) == 9
    assert appended(answer(409), 9) == Again("the gateway has another number of bytes")


@pytest.mark.parametrize("offset", ["", "-1", "10", "five"])
def test_an_upload_cannot_go_on_from_nowhere(offset: str) -> None:
    with pytest.raises(FileFailed):
        appended(answer(204, upload_offset=offset), 9)


def test_what_is_not_ascii_in_a_name_is_encoded() -> None:
    assert metadata("a, b.png", "image/png") == "filename YSwgYi5wbmc=,filetype aW1hZ2UvcG5n"
    assert metadata("", "image/png") == "filetype aW1hZ2UvcG5n"
    assert metadata("\udce4", "") == "filename Pw=="


def test_pauses_grow_while_nothing_gets_through_and_are_short_again_after_that() -> None:
    patience = Patience(deadline_at=1000.0)
    pauses = [patience.pause_s(Again("no"), 0.0, 0.999) for _ in range(6)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.51
    assert 4.9 < pauses[-1] <= 5.0
    patience.progressed()
    assert patience.pause_s(Again("no"), 0.0, 0.999) == pauses[0]


def test_a_gateway_is_left_alone_as_long_as_it_asks_but_not_for_ever() -> None:
    patience = Patience(deadline_at=1000.0)
    assert patience.pause_s(Again("no", 7.0), 0.0, 0.0) == 7.0
    assert patience.pause_s(Again("no", 700.0), 0.0, 0.0) == MAX_PAUSE_S


def test_nothing_is_tried_beyond_the_deadline() -> None:
    patience = Patience(deadline_at=10.0)
    with pytest.raises(FileFailed, match="the last trouble: reset") as raised:
        patience.pause_s(Again("reset", 2.0), 8.5, 0.5)
    assert raised.value.retryable
    assert patience.remaining_s(8.5) == 1.5
    assert patience.remaining_s(11.0) == 0.0
    assert str(patience.over()) == str(raised.value), "also when the time is over in the midst of a try"
    patience.progressed()
    assert str(patience.over()) == "no time is left to transfer the file"


def test_a_file_is_at_the_address_that_was_dialled_with_its_prefix() -> None:
    assert file_url(connect_url("https://h/spaces/"), "/v1/files/a.1/content?token=t") == (
        "https://h/spaces/v1/files/a.1/content?token=t"
    )
    assert file_url(connect_url("ws://h:81"), UPLOAD) == "http://h:81/v1/files?token=t"


@pytest.mark.parametrize(
    "url",
    [
        "http://h/v1/files/a",
        "//h/v1/files/a",
        "/v1/spaces",
        "/v1/files/../keys",
        "/v1/files@h/",
        "/v1/files/a b",
        "/v1/filesx",
        "",
    ],
)
def test_a_url_that_leads_elsewhere_is_not_followed(url: str) -> None:
    with pytest.raises(FileFailed) as raised:
        file_url(connect_url("https://h"), url)
    assert not raised.value.retryable
