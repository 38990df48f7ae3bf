"""Make a picture smaller, and colourless if that is wished.

While `make up` runs, with the agent key of the space in WS_AGENT_KEY:

    spaces-agent run --url http://127.0.0.1:5001 --space demo --engine python:examples.images.handler:smaller
    spaces files put demo picture.jpg        (prints a reference)
    spaces submit demo file=REFERENCE width=320 grey=true --follow

It takes `{"file": "/v1/files/…", "width": 256, "grey": false}` and answers
`{"file": "/v1/files/…", "width": 256, "height": 192}`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from spaces_agent import Context

MAX_PIXELS = 64_000_000
"""A picture of a few kilobytes may unpack to gigabytes: what is larger is refused before it is unpacked."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")


def smaller(input: dict[str, Any], context: Context) -> dict[str, Any]:
    """The picture at most `width` pixels wide, as PNG. Raises ValueError when it is no picture that this handler takes."""
    width = _width(input)
    context.progress(0.0, "fetching the picture")
    fetched = context.files.path(input["file"])
    context.progress(0.4, "making it smaller")
    picture = _opened(fetched)
    picture.thumbnail((width, width * picture.height // picture.width + 1))
    if input.get("grey"):
        picture = ImageOps.grayscale(picture)
    context.progress(0.8, "saving it")
    saved = context.files.directory / "smaller.png"
    picture.save(saved)
    reference = context.files.save(saved, media_type="image/png")
    return {"file": reference, "width": picture.width, "height": picture.height}


def _width(input: dict[str, Any]) -> int:
    width = input.get("width", 256)
    if not isinstance(width, int) or not 1 <= width <= 4096:
        raise ValueError("width is a number of pixels from 1 to 4096")
    return width


def _opened(path: Path) -> Image.Image:
    """The picture, upright."""
    try:
        picture = Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        raise ValueError(f"this is no picture: {', '.join(FORMATS)} are") from None
    except Image.DecompressionBombError:
        raise _too_large() from None
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_large()
    return ImageOps.exif_transpose(picture)


def _too_large() -> ValueError:
    return ValueError(f"the picture has more than {MAX_PIXELS} pixels")
