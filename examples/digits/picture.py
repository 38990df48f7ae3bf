"""From the input of a request to 64 numbers. Whatever the input is, it gives them or a ValueError that says why not."""

from __future__ import annotations

import base64
import binascii
import io
import math
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from examples.digits.model import BRIGHTEST, SIDE

PREFIX = "data:image/png;base64,"
MAX_BASE64 = 96 * 1024
"""Longest image in characters; an input is at most 128 KiB anyway."""
MAX_SIDE = 1024
"""Largest width and height in pixels: a few bytes of PNG can claim to be gigabytes."""


def pixels_of(value: Any) -> list[float]:
    """The picture in an input `{"pixels": [64 numbers 0..16]}` or `{"image": "data:image/png;base64,…"}`: 64 numbers from
    0 to 16. An image of any size is scaled; dark ink on light ground is inverted. Raises ValueError."""
    if not isinstance(value, dict) or ("pixels" in value) == ("image" in value):
        raise ValueError('the input needs either "pixels" (64 numbers) or "image" (a PNG as a data URI)')
    return _from_numbers(value["pixels"]) if "pixels" in value else _from_data_uri(value["image"])


def data_uri(pixels: Sequence[float]) -> str:
    """The picture as a small PNG, light on dark, in a data URI."""
    image = Image.new("L", (SIDE, SIDE))
    image.putdata([round(value * 255 / BRIGHTEST) for value in pixels])
    file = io.BytesIO()
    image.save(file, "PNG")
    return PREFIX + base64.b64encode(file.getvalue()).decode()


def _from_numbers(numbers: Any) -> list[float]:
    if not isinstance(numbers, list) or len(numbers) != SIDE * SIDE:
        raise ValueError(f'"pixels" must be a list of {SIDE * SIDE} numbers, row by row')
    for place, number in enumerate(numbers):
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= BRIGHTEST:
            raise ValueError(f'"pixels"[{place}] must be a number from 0 to {BRIGHTEST}')
    return [float(number) for number in numbers]


def _from_data_uri(uri: Any) -> list[float]:
    if not isinstance(uri, str) or not uri.startswith(PREFIX):
        raise ValueError(f'"image" must be a string that begins with {PREFIX}')
    if len(uri) > MAX_BASE64:
        raise ValueError(f'"image" is longer than {MAX_BASE64} characters')
    try:
        data = base64.b64decode(uri[len(PREFIX) :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError('"image" is not valid base64') from error
    small = _gray(data).resize((SIDE, SIDE), Image.Resampling.BOX)
    return [value * BRIGHTEST / 255 for value in small.tobytes()]


def _gray(data: bytes) -> Image.Image:
    """The PNG in shades of gray, light ink on dark ground. Raises ValueError."""
    try:
        # The decoder is given no other format, and no pixel before the size is known.
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if max(image.size) > MAX_SIDE:
                raise ValueError(f'"image" is larger than {MAX_SIDE} × {MAX_SIDE} pixels')
            picture = _flat(image)
    except UnidentifiedImageError as error:
        raise ValueError('"image" is not a PNG') from error
    except ValueError:
        raise
    except Exception as error:  # a decoder fails on broken data in many ways
        raise ValueError('"image" is a broken PNG') from error
    return ImageOps.invert(picture) if _edge(picture) > 127 else picture


def _flat(image: Image.Image) -> Image.Image:
    """In gray, with what is transparent on white, as on paper."""
    if image.mode.startswith("I"):  # 16 bits a pixel
        return image.point(lambda value: value / 256).convert("L")
    layer = image.convert("LA")
    paper = Image.new("LA", image.size, (255, 255))
    return Image.alpha_composite(paper.convert("RGBA"), layer.convert("RGBA")).convert("L")


def _edge(image: Image.Image) -> float:
    """The mean brightness of the outermost pixels, which show the ground and hardly ever ink."""
    width, height = image.size
    rows = [image.crop(box).tobytes() for box in ((0, 0, width, 1), (0, height - 1, width, height))]
    columns = [image.crop(box).tobytes() for box in ((0, 0, 1, height), (width - 1, 0, width, height))]
    edge = b"".join(rows + columns)
    return math.fsum(edge) / len(edge)
