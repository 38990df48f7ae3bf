"""The example with pictures: a file in, progress, a file out, through real processes."""

import io
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from tests.support.readers import Reader, listening
from tests.support.stack import Stack, fresh_home
from tests.support.world import Client, agent, client, ready


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with fresh_home() as home, Stack(home, "--no-demo") as stack, agent(stack, "smaller", module="examples.images.handler"):
        yield stack


@pytest.fixture
async def here(stack: Stack) -> AsyncIterator[Client]:
    await ready(stack)
    async with client(stack) as here:
        yield here


def picture(form: str, size: tuple[int, int] = (640, 480)) -> bytes:
    """A picture, the left half red, the right one blue."""
    made = Image.new("RGB", size, "red")
    made.paste("blue", (size[0] // 2, 0, *size))
    file = io.BytesIO()
    made.save(file, form)
    return file.getvalue()


def no_picture() -> bytes:
    """What only begins like one."""
    return b"GIF89a but no more"


def bomb() -> bytes:
    """A small PNG that says it is huge, and unpacks to a gigabyte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 32_000, 32_000, 8, 0, 0, 0, 0)
    rows = zlib.compressobj()
    packed = b"".join(rows.compress(bytes(32_001 * 1000)) for _ in range(32)) + rows.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


async def made_smaller(here: Client, stack: Stack, data: bytes, media_type: str, **options: Any) -> dict[str, Any]:
    """The request for which a picture was uploaded, when it has ended."""
    headers = {"Content-Type": media_type}
    stored = await here.http.post(f"/v1/files?space={stack.ready.space}", content=data, headers=headers)
    assert stored.status_code == 201, stored.text
    return await here.submit({"file": stored.json()["urls"]["self"], **options}, wait=30)


@pytest.mark.parametrize(("form", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
async def test_a_picture_becomes_smaller(here: Client, stack: Stack, form: str, media_type: str) -> None:
    done = await made_smaller(here, stack, picture(form), media_type, width=64)
    assert (done["status"], done["error"]) == ("succeeded", None)
    file = (await here.http.get(done["output"]["file"])).json()
    assert (file["name"], file["media_type"]) == ("smaller.png", "image/png")
    shown = await here.http.get(file["urls"]["content"], headers={"Authorization": ""})
    small = Image.open(io.BytesIO(shown.content))
    assert (small.format, small.size) == ("PNG", (64, 48)) == ("PNG", (done["output"]["width"], done["output"]["height"]))
    left, right = (small.convert("RGB").getpixel((x, 24)) for x in (8, 56))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert left[0] > 200 > 50 > left[2]
    assert right[2] > 200 > 50 > right[0]


async def test_a_picture_becomes_colourless_and_no_larger(here: Client, stack: Stack) -> None:
    done = await made_smaller(here, stack, picture("PNG", (10, 20)), "image/png", width=64, grey=True)
    small = Image.open(io.BytesIO((await here.http.get(f"{done['output']['file']}/content")).content))
    assert (small.mode, small.size) == ("L", (10, 20))


@pytest.mark.parametrize(
    ("made", "said"),
    [(no_picture, "this is no picture"), (bomb, "more than 64000000 pixels")],
    ids=["no picture", "bomb"],
)
async def test_what_it_does_not_take_fails_with_a_reason(
    here: Client, stack: Stack, made: Callable[[], bytes], said: str
) -> None:
    done = await made_smaller(here, stack, made(), "application/octet-stream")
    assert (done["status"], done["error"]["code"]) == ("failed", "handler_error")
    assert said in done["error"]["detail"]


async def test_it_tells_how_far_it_is(here: Client, stack: Stack) -> None:
    done = await made_smaller(here, stack, picture("PNG"), "image/png")
    async with listening(Reader(stack.ready.urls, stack.ready.api_key, done["id"])) as reader:
        await reader.to_the_end()
    assert [seen.data["message"] for seen in reader.of("progress")][-1] == "saving it"
