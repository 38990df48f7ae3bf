"""What a follower has been shown of an output, and what of the finished one is missing. Pure."""

from typing import Any


class Transcript:
    """Joins what comes of an output as the output itself is joined: text continues the text before it."""

    def __init__(self) -> None:
        self._parts: list[Any] = []

    def add(self, data: str | list[Any]) -> None:
        """One part has been shown."""
        if not isinstance(data, str):
            self._parts.extend(data)
        elif self._parts and isinstance(self._parts[-1], str):
            self._parts[-1] += data
        else:
            self._parts.append(data)

    def forget(self) -> None:
        """What was shown is void."""
        self._parts.clear()

    def missing(self, output: Any) -> list[Any] | None:
        """What is still to be shown of the finished output, in order; None when it does not begin with what was shown."""
        if not self._parts:
            return [output]
        whole = output if isinstance(output, list) else [output]
        count = len(self._parts)
        *before, last = self._parts
        if whole[: count - 1] != before or len(whole) < count:
            return None
        if whole[count - 1] == last:
            return whole[count:]
        if isinstance(last, str) and isinstance(whole[count - 1], str) and whole[count - 1].startswith(last):
            return [whole[count - 1][len(last) :], *whole[count:]]
        return None
