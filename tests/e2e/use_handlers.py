"""Handlers for the page where one uses a space, run by `spaces-agent run --engine python:tests.e2e.use_handlers:<name>`."""

import io
import math
import os
import struct
import time
import wave
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from spaces_agent import Context

WAIT_S = 60.0
GO = "WS_TEST_GO"
"""The environment's name of the file to wait for, where the input names none."""
STORY = [
    "The light at the end of the pier had not been lit for forty years, ",
    "and still the boats came home by it. ",
    "Nobody in the village could say why.\n\n",
    "The children thought that <b>the sea itself</b> remembered where it had been, ",
    "and the old people let them think so. ",
    "灯塔记得每一条船。 ",
    "One evening in November a stranger asked for the key; ",
    "she had a lamp with her, small enough to be carried in one hand.",
]
HALF = len(STORY) // 2


def tells(input: dict[str, Any], context: Context) -> Iterator[str]:
    """A story; its second half once the test lets it go on."""
    for number, piece in enumerate(STORY):
        if number == HALF:
            context.log(f"attempt {context.attempt} is at the half")
            _wait(input, context)
        context.progress((number + 1) / len(STORY), f"sentence {number + 1} of {len(STORY)}")
        yield piece


def paints(input: dict[str, Any], context: Context) -> dict[str, Any]:
    """A picture, in some time."""
    for step in range(1, 6):
        context.progress(step / 5, f"step {4 * step} of 20")
    return {"picture": context.files.save(png(640, 400, dusk), name="dusk.png"), "style": input["style"], "seed": 42}


def fails(input: dict[str, Any], context: Context) -> None:
    """As on a machine that is too small."""
    raise RuntimeError("CUDA out of memory: tried to allocate 2.00 GiB. <script>alert(1)</script>")


def waits(input: dict[str, Any], context: Context) -> str:
    """Holds its slot until the test lets it go."""
    context.progress(0.35, "step 7 of 20")
    _wait(input, context)
    return "went"


def does(input: dict[str, Any], context: Context) -> Any:
    """What the prompt wants."""
    return _DEEDS[input.get("prompt", "")](input, context)


def png(width: int, height: int, color: Callable[[float, float], tuple[int, int, int]]) -> bytes:
    """A picture (PNG, RFC 2083); `color` has the place as parts of width and height."""
    rows = (bytes(value for x in range(width) for value in color(x / width, y / height)) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def wav(seconds: float) -> bytes:
    """A tone."""
    written = io.BytesIO()
    with wave.open(written, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        samples = (int(9000 * math.sin(n / 8000 * 440 * math.tau)) for n in range(int(seconds * 8000)))
        sound.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return written.getvalue()


def dusk(x: float, y: float) -> tuple[int, int, int]:
    """The colour of a place in a picture of the sea at dusk."""
    if y > 0.62:
        glow = max(0.0, 1 - abs(x - 0.7) * 4) * (1 - (y - 0.62) * 2)
        return int(24 + 150 * glow), int(52 + 70 * glow), int(92 + 20 * glow)
    sun = math.hypot((x - 0.7) * 1.6, y - 0.52) < 0.09
    return (255, 214, 150) if sun else (int(70 + 160 * y), int(72 + 90 * y), int(140 - 20 * y))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _wait(input: dict[str, Any], context: Context) -> None:
    go = Path(input.get("go") or os.environ[GO])
    end = time.monotonic() + WAIT_S
    while not go.exists() and not context.cancelled and time.monotonic() < end:
        time.sleep(0.02)


def _paint(input: dict[str, Any], context: Context) -> Any:
    given = {name: context.files.about(input[name]).name for name in ("image", "audio") if name in input}
    return {
        "painted": context.files.save(png(480, 300, dusk), name="dusk.png"),
        "played": context.files.save(wav(0.5), name="<b>tone.wav"),
        "written": context.files.save(b"a,b\n1,2\n", name="table.csv", media_type="text/csv"),
        "given": given,
        "seed": 42,
    }


def _echo(input: dict[str, Any], context: Context) -> Any:
    return input


def _much(input: dict[str, Any], context: Context) -> Any:
    return {"text": "x" * 300_000, "numbers": list(range(50_000))}


def _long(input: dict[str, Any], context: Context) -> Any:
    return "y" * 300_000


_DEEDS: dict[str, Callable[[dict[str, Any], Context], Any]] = {
    "paint": _paint,
    "fail": fails,
    "much": _much,
    "long": _long,
    "slow": waits,
    "": _echo,
}
