"""Trace context is continued, and a new trace begins where there is none that can be."""

import re

import pytest

from services.contracts.trace import continued

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ENTROPY = bytes(range(1, 25))


def test_a_trace_is_continued_in_a_span_of_our_own() -> None:
    assert continued(f"00-{TRACE}-{SPAN}-01", ENTROPY) == f"00-{TRACE}-{ENTROPY[:8].hex()}-01"


def test_the_flags_are_kept() -> None:
    assert continued(f"00-{TRACE}-{SPAN}-00", ENTROPY).endswith("-00")


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "",
        "garbage",
        f"00-{TRACE}-{SPAN}",
        f"01-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
    ],
)
def test_a_new_trace_begins_where_none_can_be_continued(traceparent: str | None) -> None:
    made = continued(traceparent, ENTROPY)
    assert made == f"00-{ENTROPY[8:24].hex()}-{ENTROPY[:8].hex()}-01"
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", made)
