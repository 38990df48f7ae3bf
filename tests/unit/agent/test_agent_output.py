"""What a handler yields, says about its progress and logs, and the frames that are cut of it."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import msgspec
import pytest

from spaces_agent import frames, handler_log, outcome, output
from spaces_agent.output import Joined, OutputBuffer

WORK = frames.Accept(request_id="0" * 34, attempt=2, lease=5)
MUCH = 1_000_000


def expected(values: list[Any]) -> Any:
    """The joining rule, written once more: from the document, not from the code."""
    parts: list[Any] = []
    for value in values:
        if isinstance(value, str) and parts and isinstance(parts[-1], str):
            parts[-1] = parts[-1] + value
        else:
            parts.append(value)
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else parts


def fold(made: list[frames.Output]) -> Any:
    """What a reader makes of the frames: a string continues a text, a list holds values one after the other."""
    parts: list[Any] = []
    for frame in made:
        if frame.kind != "chunk":
            continue
        data = json.loads(bytes(frame.data))
        if isinstance(data, list):
            parts += data
        elif parts and isinstance(parts[-1], str):
            parts[-1] += data
        else:
            parts.append(data)
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else parts


def read(frame: frames.Output) -> tuple[str, Any]:
    return frame.kind, json.loads(bytes(frame.data))


def joined(*values: Any, max_bytes: int = MUCH) -> Any:
    whole = Joined()
    for value in values:
        whole.add(outcome.encode_chunk(value), max_bytes)
    return json.loads(whole.output())


def buffer(window: int = 32) -> OutputBuffer:
    return OutputBuffer(WORK, window)


def add(to: OutputBuffer, *values: Any) -> None:
    for value in values:
        to.add_chunk(outcome.encode_chunk(value))


class TestJoining:
    @pytest.mark.parametrize(
        ("values", "output"),
        [
            ([], []),
            (["a"], "a"),
            (["a", "b", "", "c"], "abc"),
            ([""], ""),
            ([1], [1]),
            ([["a"]], [["a"]]),
            (["a", "b", 1, "c", "d"], ["ab", 1, "cd"]),
            ([{"a": "b"}, None, "", 'é\n"\\', "\u2028", True], [{"a": "b"}, None, 'é\n"\\\u2028', True]),
        ],
    )
    def test_adjacent_texts_are_one_and_a_single_text_is_the_output(self, values: list[Any], output: Any) -> None:
        assert joined(*values) == output == expected(values)

    @pytest.mark.parametrize("values", [["ab", "cd"], [1, 2], ["a", 1], []])
    def test_an_output_over_the_limit_is_noticed_with_the_byte_that_is_too_much(self, values: list[Any]) -> None:
        size = len(json.dumps(expected(values), separators=(",", ":")))
        assert joined(*values, max_bytes=size) == expected(values)
        if values:
            with pytest.raises(outcome.BadOutput) as caught:
                joined(*values, max_bytes=size - 1)
            assert caught.value.error.code == "output_too_large"
            assert f"more than {size - 1} bytes" in caught.value.error.message

    @pytest.mark.parametrize("value", [math.nan, object(), "\ud800", {1, 2}])
    def test_a_chunk_that_is_not_json_is_refused(self, value: Any) -> None:
        with pytest.raises(outcome.BadOutput) as caught:
            outcome.encode_chunk(value)
        assert caught.value.error.code == "handler_error"
        assert caught.value.error.message.startswith("the handler yielded what is not JSON: ")

    def test_a_chunk_is_as_deep_as_the_output_that_it_becomes_part_of(self) -> None:
        value: Any = 1
        for _ in range(frames.MAX_DEPTH - 1):
            value = [value]
        assert not frames.too_deep(b"[%b]" % outcome.encode_chunk(value))
        with pytest.raises(outcome.BadOutput, match="nested"):
            outcome.encode_chunk([value])


class TestCutting:
    def test_the_first_chunk_goes_out_at_once_and_the_next_ones_are_gathered(self) -> None:
        gathering = buffer()
        assert gathering.due_at() is None
        add(gathering, "a")
        assert gathering.due_at() == -math.inf
        assert [read(frame) for frame in gathering.cut(5.0)] == [("chunk", "a")]
        add(gathering, "b", "c")
        assert gathering.due_at() == pytest.approx(5.1)
        assert gathering.cut(5.05) == []
        assert [read(frame) for frame in gathering.cut(5.1)] == [("chunk", "bc")]
        assert gathering.due_at() is None

    def test_frames_carry_the_work_and_are_numbered_from_one(self) -> None:
        gathering = buffer()
        gathering.log(["l"])
        add(gathering, "a")
        made = gathering.cut(0.0)
        assert [(frame.request_id, frame.attempt, frame.lease, frame.index) for frame in made] == [
            ("0" * 34, 2, 5, 1),
            ("0" * 34, 2, 5, 2),
        ]
        assert gathering.last_index == 2

    def test_one_cut_makes_a_frame_of_each_kind_and_the_next_one_waits_as_many_intervals(self) -> None:
        gathering = buffer()
        gathering.log(["one"])
        gathering.set_progress(output.progress(0.1, ""))
        gathering.set_progress(output.progress(0.5, "half"))
        add(gathering, "a")
        assert [read(frame) for frame in gathering.cut(1.0)] == [
            ("chunk", "a"),
            ("progress", {"fraction": 0.5, "message": "half"}),
            ("log", ["one"]),
        ]
        add(gathering, "b")
        assert gathering.due_at() == pytest.approx(1.3)

    def test_the_first_chunk_does_not_wait_for_what_was_logged_before_it(self) -> None:
        gathering = buffer()
        gathering.log(["one"])
        gathering.cut(1.0)
        add(gathering, "a")
        assert [read(frame) for frame in gathering.cut(1.01)] == [("chunk", "a")]
        add(gathering, "b")
        assert gathering.due_at() == pytest.approx(1.2)

    def test_values_and_texts_are_cut_into_three_frames_at_most(self) -> None:
        gathering = buffer()
        add(gathering, "a", "b", 1, "c", "d", {"e": "f"}, ["g"], "h", "i")
        assert [read(frame) for frame in gathering.cut(0.0)] == [
            ("chunk", "ab"),
            ("chunk", [1, "cd", {"e": "f"}, ["g"]]),
            ("chunk", "hi"),
        ]

    def test_a_text_that_waits_behind_a_full_window_is_continued(self) -> None:
        gathering = buffer(window=2)
        add(gathering, "a", 1, "b")
        assert [read(frame) for frame in gathering.cut(0.0)] == [("chunk", "a"), ("chunk", [1])]
        add(gathering, "c", 2)
        assert gathering.due_at() is None
        assert gathering.cut(9.0) == []
        gathering.acknowledged(1)
        assert [read(frame) for frame in gathering.cut(9.0)] == [("chunk", "bc")]
        assert [read(frame) for frame in gathering.cut(9.0, everything=True)] == [("chunk", [2])]

    def test_an_acknowledgement_that_comes_late_takes_nothing_back(self) -> None:
        gathering = buffer(window=1)
        add(gathering, "a")
        gathering.cut(0.0)
        gathering.acknowledged(1)
        gathering.acknowledged(0)
        add(gathering, "b")
        assert gathering.cut(1.0)

    def test_nothing_yielded_is_nothing_sent(self) -> None:
        gathering = buffer()
        assert gathering.cut(0.0, everything=True) == []
        assert gathering.last_index == 0

    def test_an_empty_text_is_sent_when_it_begins_one_and_not_when_it_continues_one(self) -> None:
        gathering = buffer()
        add(gathering, "")
        assert [read(frame) for frame in gathering.cut(0.0)] == [("chunk", "")]
        add(gathering, "")
        assert gathering.due_at() is None
        add(gathering, 1, "", "", 2)
        assert [read(frame) for frame in gathering.cut(1.0)] == [("chunk", [1, "", 2])]

    @pytest.mark.parametrize("seed", range(300))
    def test_whatever_is_yielded_and_however_it_is_cut_the_frames_make_the_output(self, seed: int) -> None:
        drawn = random.Random(seed)
        window = drawn.choice([1, 2, 3, 32])
        gathering, whole, yielded, made, acknowledged = buffer(window), Joined(), list[Any](), list[frames.Output](), 0
        now = first_at = drawn.uniform(0, 100)
        due: list[tuple[float, int]] = []
        for _ in range(drawn.randrange(120)):
            match drawn.randrange(8):
                case 0 | 1 | 2 | 3:
                    value = drawn.choice(
                        ["", "a", "bc", 'q"\\', "\u0001é\U0001f600", 1, 2.5, None, {"k": ["v"]}, [], [["x"], "y"]]
                    )
                    yielded.append(value)
                    chunk = outcome.encode_chunk(value)
                    whole.add(chunk, MUCH)
                    gathering.add_chunk(chunk)
                case 4:
                    gathering.set_progress(output.progress(drawn.random(), "m"))
                case 5:
                    gathering.log(["line"])
                case 6:
                    acknowledged = drawn.randint(acknowledged, len(made))
                    gathering.acknowledged(acknowledged)
                case 7:
                    now += drawn.choice([0.001, 0.05, 0.1, 1.0])
            before = len(made)
            first_chunk = not any(frame.kind == "chunk" for frame in made)
            cut = gathering.cut(now)
            made += cut
            if cut and not before:
                first_at = now
            if cut and not first_chunk:
                due.append((now, before))
            assert len(made) - acknowledged <= window or not cut
        made += gathering.cut(now, everything=True)
        assert fold(made) == expected(yielded) == json.loads(whole.output())
        assert [frame.index for frame in made] == list(range(1, len(made) + 1))
        for at, sent in due:
            assert sent * frames.OUTPUT_INTERVAL_S <= at - first_at + 1e-6
        for frame in made:
            assert frames.decode_agent_frame(frames.encode(frame)) == frame
            if frame.kind == "chunk" and isinstance(values := json.loads(bytes(frame.data)), list):
                assert not isinstance(values[0], str)
                assert not isinstance(values[-1], str)


class TestProgress:
    @pytest.mark.parametrize("fraction", [0, 1, 0.5, True, "0.5"])
    def test_a_fraction_is_a_number_from_0_to_1(self, fraction: Any) -> None:
        assert json.loads(output.progress(fraction, ""))["fraction"] == float(fraction)

    @pytest.mark.parametrize("fraction", [-0.01, 1.01, math.nan, math.inf, 10**400, None, "half", 1j])
    def test_anything_else_is_refused_in_words(self, fraction: Any) -> None:
        with pytest.raises(ValueError, match="a progress is a number from 0 to 1, not"):
            output.progress(fraction, "")

    def test_a_message_is_text_of_bounded_length(self) -> None:
        data = json.loads(output.progress(1, "\ud800\x00" + "x" * 2000))
        assert data["message"] == "?\ufffd" + "x" * 998


class TestLog:
    def test_a_text_is_split_into_lines_and_long_ones_are_cut_off(self) -> None:
        long = "x" * (frames.MAX_LOG_LINE + 1)
        lines = handler_log.lines_of(f"a\n\n\ud800\x00\n{long}\n")
        assert lines == ["a", "", "?\ufffd", "x" * (frames.MAX_LOG_LINE - 1) + "…"]
        assert len(lines[-1]) == frames.MAX_LOG_LINE

    def test_what_is_no_text_is_logged_as_one(self) -> None:
        assert handler_log.lines_of({"a": 1}) == ["{'a': 1}"]  # type: ignore[arg-type]

    def test_lines_that_wait_too_long_are_left_out_from_the_oldest_on_and_counted(self) -> None:
        gathering = buffer(window=0)
        gathering.log(f"{n:05} " + "x" * 1000 for n in range(100))
        ((_, lines),) = [read(frame) for frame in gathering.cut(0.0, everything=True)]
        kept = len(lines) - 1
        assert 60 < kept < 66
        assert lines[0] == f"… {100 - kept} lines were left out here"
        assert [line[:5] for line in lines[1:]] == [f"{n:05}" for n in range(100 - kept, 100)]
        few = ["y" * 1000] * 60
        gathering.log(few)
        assert [read(frame) for frame in gathering.cut(0.0, everything=True)] == [("log", few)]

    def test_a_line_that_alone_is_too_much_is_kept(self) -> None:
        gathering = buffer()
        line = "\x01" * frames.MAX_LOG_LINE  # six bytes of JSON for each
        gathering.log([line])
        assert [read(frame) for frame in gathering.cut(0.0)] == [("log", [line])]

    def test_the_tail_is_the_end_of_the_log_in_whole_lines(self) -> None:
        gathering = buffer()
        gathering.log(["a", "", "b"])
        assert gathering.log_tail() == "a\n\nb"
        gathering.log(str(n) * 1000 for n in range(10))
        gathering.log(str(n) * 1000 for n in range(10))
        tail = gathering.log_tail()
        assert len(tail) == 16 * 1001 - 1
        assert tail.startswith("4" * 1000 + "\n")
        longest = "x" * frames.MAX_LOG_LINE
        gathering.log([longest])
        assert gathering.log_tail() == longest

    def test_a_result_takes_the_longest_tail(self) -> None:
        gathering = buffer()
        gathering.log(["é" * frames.MAX_LOG_LINE])
        run = outcome.Run(started_s=0, run_s=0, log_tail=gathering.log_tail())
        assert (
            msgspec.json.decode(frames.encode(outcome.succeeded(WORK, b"1", run)))["log_tail"] == "é" * frames.MAX_LOG_LINE
        )
        assert frames.decode_agent_frame(frames.encode(outcome.succeeded(WORK, b"1", run)))
