"""Start a part of the agent in an interpreter of its own."""

from __future__ import annotations

import os
import signal
import site
import socket
import subprocess
import sys
from pathlib import Path

ENDS_THE_AGENT = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
"""Ctrl-C and a service manager's SIGTERM reach all processes of the agent: the first of them decides for all."""

_PACKAGE_ROOT = str(Path(__file__).resolve().parent.parent)


def spawn(module: str, theirs: socket.socket, *, own_group: bool = False) -> subprocess.Popen[bytes]:
    """Run a module of this package, whose only argument is the file descriptor of `theirs`. A new interpreter, not a
    fork: this process may have threads and a GPU in use. `own_group`: it leads a process group."""
    env = dict(os.environ)
    if _PACKAGE_ROOT not in site.getsitepackages():  # a source tree, found perhaps only by this process
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [_PACKAGE_ROOT, env.get("PYTHONPATH")]))
    # The blocked mask is inherited, so that there is no moment at which a signal could end the new process before this
    # one has decided.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS_THE_AGENT)
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=env,
            process_group=0 if own_group else None,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def in_words(status: int) -> str:
    """How a process has ended, by its return code."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {-status} ({signal.Signals(-status).name})"
    except ValueError:  # a real-time signal has no name
        return f"signal {-status}"
