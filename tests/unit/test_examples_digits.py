import base64
import io
import json
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageOps

from examples.digits import model, picture, timeline
from examples.digits.model import Sample
from examples.digits.timeline import Event


@pytest.fixture(scope="module")
def classifier() -> model.Classifier:
    return model.train()


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return model.held_out()


def uri(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return picture.PREFIX + base64.b64encode(file.getvalue()).decode()


def drawn(sample: Sample, side: int = 8) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(picture.data_uri(sample.pixels)[len(picture.PREFIX) :])))
    return image.resize((side, side), Image.Resampling.BOX)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_claims(width: int, height: int) -> str:
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(b"\0" * 100)) + png_chunk(b"IEND", b"")
    return picture.PREFIX + base64.b64encode(b"\x89PNG\r\n\x1a\n" + head + body).decode()


def test_most_held_out_digits_are_read_right(classifier: model.Classifier, samples: list[Sample]) -> None:
    assert model.accuracy(classifier, samples) > 0.95


def test_the_samples_are_the_same_each_time(samples: list[Sample]) -> None:
    assert model.held_out() == samples


def test_a_picture_survives_being_a_png(samples: list[Sample]) -> None:
    for sample in samples[:20]:
        assert picture.pixels_of({"image": picture.data_uri(sample.pixels)}) == pytest.approx(sample.pixels, abs=0.04)


def test_pixels_are_taken_as_they_are(samples: list[Sample]) -> None:
    assert picture.pixels_of({"pixels": samples[0].pixels}) == samples[0].pixels


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "I;16"])
def test_any_kind_of_png_is_read(classifier: model.Classifier, samples: list[Sample], mode: str) -> None:
    small = drawn(samples[0], 64)
    if mode == "I;16":
        image = Image.new(mode, small.size)
        image.putdata([value * 257 for value in small.tobytes()])
    else:
        image = small.convert(mode)
    assert classifier.classify(picture.pixels_of({"image": uri(image)}))[0] == samples[0].digit


def test_dark_ink_on_light_ground_reads_the_same(samples: list[Sample]) -> None:
    paper = ImageOps.invert(drawn(samples[1]))
    assert picture.pixels_of({"image": uri(paper)}) == pytest.approx(samples[1].pixels, abs=0.04)


def test_ink_on_transparent_ground_reads_the_same(samples: list[Sample]) -> None:
    ink = Image.new("LA", (8, 8), (0, 0))
    ink.putalpha(drawn(samples[2]))
    assert picture.pixels_of({"image": uri(ink)}) == pytest.approx(samples[2].pixels, abs=0.1)


HOSTILE: list[Any] = [
    None,
    [],
    "pixels",
    {},
    {"pixels": [0] * 64, "image": "x"},
    {"pixels": [0] * 63},
    {"pixels": "0" * 64},
    {"pixels": [True] * 64},
    {"pixels": [-1] + [0] * 63},
    {"pixels": [17] + [0] * 63},
    {"pixels": [float("nan")] * 64},
    {"pixels": [10**400] * 64},
    {"pixels": [None] * 64},
    {"image": 5},
    {"image": "data:image/svg+xml;base64,AAAA"},
    {"image": "https://example.com/digit.png"},
    {"image": picture.PREFIX},
    {"image": picture.PREFIX + "not base64!"},
    {"image": picture.PREFIX + "ä"},
    {"image": picture.PREFIX + "A" * picture.MAX_BASE64},
    {"image": picture.PREFIX + base64.b64encode(b"GIF89a" + b"\0" * 30).decode()},
    {"image": png_that_claims(100_000, 100_000)},
    {"image": png_that_claims(picture.MAX_SIDE + 1, 1)},
    {"image": png_that_claims(0, 0)},
    {"image": png_that_claims(500, 500)},
]


@pytest.mark.parametrize("value", HOSTILE, ids=[str(place) for place in range(len(HOSTILE))])
def test_a_hostile_input_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match=r"input needs|pixels|image"):
        picture.pixels_of(value)


def test_size_is_limited_before_any_pixel_is_decoded() -> None:
    assert len(picture.pixels_of({"image": uri(Image.new("L", (picture.MAX_SIDE, 1)))})) == 64
    for image in (uri(Image.new("L", (picture.MAX_SIDE + 1, 1))), png_that_claims(5000, 5000)):
        with pytest.raises(ValueError, match="larger than"):
            picture.pixels_of({"image": image})


def test_a_png_cut_in_half_is_a_value_error(samples: list[Sample]) -> None:
    whole = base64.b64decode(picture.data_uri(samples[0].pixels)[len(picture.PREFIX) :])
    for length in range(len(whole) // 2):
        with pytest.raises(ValueError, match="image"):
            picture.pixels_of({"image": picture.PREFIX + base64.b64encode(whole[:length]).decode()})


def test_a_damaged_png_gives_a_picture_or_a_value_error(samples: list[Sample]) -> None:
    whole = base64.b64decode(picture.data_uri(samples[0].pixels)[len(picture.PREFIX) :])
    for place in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            try:
                pixels = picture.pixels_of({"image": picture.PREFIX + base64.b64encode(damaged).decode()})
            except ValueError:
                continue
            assert len(pixels) == 64
            assert all(0 <= pixel <= 16 for pixel in pixels)


def test_an_answer_is_json(classifier: model.Classifier, samples: list[Sample]) -> None:
    digit, confidence = classifier.classify(picture.pixels_of({"pixels": samples[0].pixels}))
    assert json.loads(json.dumps({"digit": digit, "confidence": confidence}))["digit"] == digit
    assert 0 < confidence <= 1


def chain(*types: str) -> list[Event]:
    return [Event(seq, seq * 1_500_000, type_, {"actor": "user:u"}, None) for seq, type_ in enumerate(types, 1)]


@pytest.mark.parametrize(
    ("types", "complete"),
    [
        (["accepted", "assigned", "succeeded"], True),
        (["accepted", "assigned", "requeued", "assigned", "succeeded"], True),
        (["accepted", "succeeded"], False),
        (["assigned", "accepted", "succeeded"], False),
        (["accepted", "assigned"], False),
        (["accepted", "assigned", "failed"], False),
        ([], False),
    ],
)
def test_a_timeline_is_complete_with_every_step_in_order(types: list[str], complete: bool) -> None:
    assert timeline.is_complete(chain(*types)) is complete


def test_a_timeline_shows_sequence_duration_and_who() -> None:
    events = chain("accepted", "assigned", "requeued", "failed", "expired")
    shown = timeline.lines(events)
    assert len(shown) == 6
    assert shown[1].split()[:3] == ["1", "00:00:00.001500", "0.0"]
    assert shown[2].split()[2] == "1.5"
    assert all("user:u" in line for line in shown[1:])


def test_a_timeline_tells_what_the_agent_did() -> None:
    data = {"actor": "agent:o/a", "started_s": 0.002, "run_s": 0.05}
    (line,) = timeline.lines([Event(9, 0, "succeeded", data, '{"digit":3,"confidence":0.9}')])[1:]
    assert 'agent:o/a started 2.0 ms after delivery, ran 50.0 ms: {"digit":3' in line
