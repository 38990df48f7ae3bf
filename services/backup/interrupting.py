"""Ctrl-C while something is made of which nothing may be left half done."""

import signal
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupted_once() -> None:
    """From now on the first SIGINT, SIGTERM or SIGHUP raises KeyboardInterrupt. Later ones do nothing: they would break into
    the taking away of what is half done. One that is ignored, as SIGHUP under nohup, stays so."""
    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in heeded:
            signal.signal(each, _nothing)  # which no child inherits, unlike SIG_IGN
        raise KeyboardInterrupt

    for each in heeded:
        signal.signal(each, interrupt)


def _nothing(number: int, frame: FrameType | None) -> None:
    pass
