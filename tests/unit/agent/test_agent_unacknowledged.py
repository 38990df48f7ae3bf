"""What an agent keeps to send it again."""

from __future__ import annotations

import msgspec

from spaces_agent import frames, outcome
from spaces_agent.unacknowledged import Unacknowledged


def output(lease: int, index: int) -> frames.Output:
    data = msgspec.Raw(b'"x"')
    return frames.Output(request_id="0" * 34, attempt=1, lease=lease, index=index, kind="chunk", data=data)


def result(lease: int) -> frames.Result:
    work = frames.Accept(request_id="0" * 34, attempt=1, lease=lease)
    return outcome.succeeded(work, b"1", outcome.Run(started_s=0, run_s=0))


def test_output_is_kept_in_order_until_it_is_stored() -> None:
    kept = Unacknowledged()
    sent = {(lease, index): kept.output(output(lease, index)) for index in (1, 2, 3) for lease in (7, 8)}
    assert sent[7, 2] == frames.encode(output(7, 2))
    kept.stored(7, 2)
    assert kept.outputs == [sent[7, 3], sent[8, 1], sent[8, 2], sent[8, 3]]
    kept.stored(9, 1)
    kept.stored(7, 1)
    assert kept.outputs[0] == sent[7, 3]


def test_a_lease_that_has_ended_takes_its_output_and_its_result_along() -> None:
    kept = Unacknowledged()
    for lease in (7, 8):
        kept.output(output(lease, 1))
        kept.result(result(lease))
    kept.forget(7)
    kept.forget(9)
    assert kept.outputs == [frames.encode(output(8, 1))]
    assert kept.results == [frames.encode(result(8))]
    kept.forget(8)
    assert kept.outputs == kept.results == []
