"""Media types of files: what a file is taken for, whether its space takes that, and as what it is shown. Pure."""

import re
from collections.abc import Collection

from services.contracts.directory import Feature
from services.gateway.problems import ApiProblem, Flaw

UNKNOWN = "application/octet-stream"
UNWANTED = frozenset({"input_invalid", "feature_disabled"})
"""The problems of a file that is not wanted, whatever else comes of it."""
HEAD_BYTES = 4096
"""So much of a file's beginning is looked at."""
INERT = frozenset(
    {
        *("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"),
        *("audio/mpeg", "audio/wav", "audio/ogg", "audio/flac", "audio/aac", "audio/mp4", "audio/webm"),
        *("video/mp4", "video/webm", "video/ogg", "text/plain"),
    }
)
"""What a browser may show within our origin: no script runs in it."""
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,63}/[a-z0-9!#$&^_.+-]{1,63}")
_OTHER_NAMES = {
    **dict.fromkeys(("audio/x-wav", "audio/wave", "audio/vnd.wave"), "audio/wav"),
    **dict.fromkeys(("audio/mp3", "audio/x-mp3", "audio/mpeg3"), "audio/mpeg"),
    **dict.fromkeys(("audio/x-flac",), "audio/flac"),
    **dict.fromkeys(("audio/x-m4a", "audio/m4a"), "audio/mp4"),
    **dict.fromkeys(("image/jpg", "image/pjpeg"), "image/jpeg"),
    **dict.fromkeys(("application/x-zip-compressed",), "application/zip"),
    "application/ogg": "audio/ogg",
    "application/x-matroska": "video/x-matroska",
}
_TIME_BASED = frozenset({"audio", "video"})
"""A container of one may hold the other: their bytes look alike."""
_MEDIA = frozenset({"audio", "video", "image"})
_CERTAIN = frozenset({"application/pdf", "text/html"})
"""Beside media, what bytes say so clearly that it counts when their sender says nothing."""


def normal(header: str) -> str:
    """The type that a Content-Type header names, without parameters; UNKNOWN when it names none."""
    name = header.partition(";")[0].strip().lower()
    return _OTHER_NAMES.get(name, name) if _TYPE.fullmatch(name) else UNKNOWN


def agreed(declared: str, found: Collection[str]) -> str:
    """What a file is taken for whose sender declares one type, and whose bytes look like one of those found (none: like
    nothing that is known). Raises ApiProblem when it is declared to be audio, video or an image, and looks like something
    else."""
    kinds = [normal(each) for each in found]
    if declared == UNKNOWN:
        return next((each for each in kinds if each in _CERTAIN or each.partition("/")[0] in _MEDIA), UNKNOWN)
    kind = declared.partition("/")[0]
    alike = _TIME_BASED if kind in _TIME_BASED else {kind}
    if kind in _MEDIA and kinds and not any(each.partition("/")[0] in alike or each == UNKNOWN for each in kinds):
        detail = f"It is said to be {declared}, but its bytes are those of {kinds[0]}."
        raise ApiProblem("input_invalid", detail, [Flaw("", detail)])
    return declared


def check_features(media_type: str, features: Collection[Feature]) -> None:
    """Raises ApiProblem unless a space with these switches on (none: it takes anything) takes such files."""
    kind = media_type.partition("/")[0]
    needed: Feature = "audio" if kind == "audio" else "video" if kind == "video" else "file"
    if features and needed not in features and "file" not in features:
        raise ApiProblem("feature_disabled", f"The space takes no {media_type}: its switch `{needed}` is off.")


def shown_as(media_type: str) -> str:
    """The Content-Type with which a file is sent: what might run as a script, or be taken for one, is just bytes."""
    if media_type == "text/plain":
        return "text/plain; charset=utf-8"
    return media_type if media_type in INERT else UNKNOWN
