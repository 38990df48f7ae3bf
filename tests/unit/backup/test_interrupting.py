"""Whoever is impatient does not keep a command from taking away what is half done."""

import signal
import subprocess
import sys

import pytest

from services.local.launch import environment

WORKS = """
import os, signal, sys, time
from services.backup.interrupting import interrupted_once
ignored = list(map(int, sys.argv[1:]))
for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # whatever those ignore who have started the tests
    signal.signal(each, signal.SIG_IGN if each in ignored else signal.SIG_DFL)
interrupted_once()
try:
    for each in ignored:
        os.kill(os.getpid(), each)
    print("works", flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), each)
    print("taken away", flush=True)
"""


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("ignored", [[], [signal.SIGHUP]], ids=["", "nohup"])
def test_the_first_signal_interrupts_and_no_other_what_is_done_then(
    first: signal.Signals, ignored: list[signal.Signals]
) -> None:
    command = [sys.executable, "-c", WORKS, *(str(int(each)) for each in ignored)]
    with subprocess.Popen(command, env=environment({}), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "works\n"
        process.send_signal(first)
        if first in ignored:
            process.stdin.close()
        said = process.stdout.read()
    assert (process.returncode, said) == (0, "" if first in ignored else "taken away\n")
