"""What the first bytes of a file look like. Nothing is unpacked or parsed: a fixed table of signatures is compared with
them, so the work is the same for every file."""

import puremagic

from services.gateway.media_types import HEAD_BYTES

_LEAST = 3
"""Shorter signatures say too little: any text may begin with them."""
_NEAR = 1024


def looks_like(head: bytes) -> list[str]:
    """The media types whose signature a file's first bytes bear; of several signatures the longest counts, which several
    types may share."""
    head = head[:HEAD_BYTES]
    if not head:
        return []
    try:
        matches = puremagic.magic_string(head)
    except puremagic.PureError:
        return []
    # It compares the end of what it is given as well, which is not the end of the file.
    begun = [
        each
        for each in matches
        if each.offset >= 0 and len(each.byte_match) >= _LEAST and head.find(each.byte_match, 0, _NEAR) >= 0
    ]
    longest = max((len(each.byte_match) for each in begun), default=0)
    return list(dict.fromkeys(each.mime_type for each in begun if len(each.byte_match) == longest and each.mime_type))
