"""How the end of a process is told."""

import pytest

from spaces_agent.spawning import in_words


@pytest.mark.parametrize(
    ("status", "words"), [(0, "exit status 0"), (3, "exit status 3"), (-9, "signal 9 (SIGKILL)"), (-40, "signal 40")]
)
def test_an_exit_status_and_a_signal_are_told_in_words(status: int, words: str) -> None:
    assert in_words(status) == words
