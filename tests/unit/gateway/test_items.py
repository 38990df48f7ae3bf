"""An event in a stream of server-sent events."""

import msgspec
import pytest

from services.gateway.items import EVENTS, Item, LogEvent, OutputEvent, PingEvent, sse


def test_an_event_is_its_name_one_line_of_data_and_the_cursor() -> None:
    item = Item(OutputEvent(index=1, attempt=2, data=msgspec.Raw(b'"a"')), "1-2-3")
    assert sse(item) == b'event: output\ndata: {"index":1,"attempt":2,"data":"a"}\nid: 1-2-3\n\n'


def test_an_event_without_a_cursor_has_no_id() -> None:
    assert sse(Item(PingEvent())) == b"event: ping\ndata: {}\n\n"


@pytest.mark.parametrize("data", [b"[1,\n2]", b"[1,\r\n2]", b"[1,\r2]", b'["\\n\\r",\n 2]'])
def test_line_breaks_between_values_do_not_end_the_data(data: bytes) -> None:
    _, line, _, *rest = sse(Item(LogEvent(index=1, attempt=1, lines=msgspec.Raw(data)), "1-2-3")).splitlines()
    assert rest == [b""]
    assert msgspec.json.decode(line.removeprefix(b"data: "))["lines"] == msgspec.json.decode(data)


def test_every_event_has_data_of_its_own_type() -> None:
    assert len(set(EVENTS.values())) == len(EVENTS)
