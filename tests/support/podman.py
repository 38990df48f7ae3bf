"""Containers of podman, with everything that it keeps in a directory of the test's: nothing of the machine is changed."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.stack import ROOT

COMMAND_S = 600.0
_CONTAINERS = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "{directory}/engine"
[network]
network_config_dir = "{directory}/networks"
"""
_STORAGE = """
[storage]
driver = "overlay"
graphroot = "{directory}/storage"
runroot = "{directory}/run"
"""
HARDENED = (
    *("--network", "host", "--read-only", "--read-only-tmpfs=false"),
    *("--cap-drop", "all", "--security-opt", "no-new-privileges"),
)
"""As Kubernetes' restricted profile has it, and no place to write that is not asked for. On this machine's loopback."""


class Podman:
    """podman on a storage of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "tmp").mkdir()
        for name, content in (("containers.conf", _CONTAINERS), ("storage.conf", _STORAGE)):
            (directory / name).write_text(content.format(directory=directory))
        self.environment = os.environ | {
            "CONTAINERS_CONF": str(directory / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
            "TMPDIR": str(directory / "tmp"),
        }

    def command(self, *arguments: str, **variables: str) -> str:
        """What a command of podman prints. Fails with what it says when it ends with an error."""
        return self.program("podman", *arguments, **variables)

    def program(self, *command: str, **variables: str) -> str:
        """The same of a program that calls podman."""
        log = self.directory / "command.log"
        with log.open("w") as errors:
            process = subprocess.Popen(
                command, env=self.environment | variables, cwd=ROOT, text=True, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
            try:
                printed, _ = process.communicate(timeout=COMMAND_S)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)  # a half-made image is nobody's
                process.wait()
                raise
        assert process.returncode == 0, f"{' '.join(command)}: {log.read_text()[-5000:]}"
        return printed

    def once(self, image: str, *arguments: str, options: tuple[str, ...] = ()) -> str:
        """What a container prints that runs to its end."""
        return self.command("run", "--rm", *HARDENED, *options, image, *arguments)

    @contextlib.contextmanager
    def container(
        self, name: str, image: str, *arguments: str, options: tuple[str, ...] = (), env: Mapping[str, str] | None = None
    ) -> Iterator["Container"]:
        """A container that runs until the block ends."""
        variables = [word for key, value in (env or {}).items() for word in ("--env", f"{key}={value}")]
        self.command("run", "--detach", "--name", name, *HARDENED, *options, *variables, image, *arguments)
        container = Container(self, name)
        try:
            yield container
        except BaseException:
            print(f"--- {name}\n{container.logs()[-4000:]}")
            raise
        finally:
            # In order, so that nobody waits for an agent, or a gateway, that was killed.
            self.command("rm", "--force", "--time", "20", name)


class Container:
    """One that was started."""

    def __init__(self, podman: Podman, name: str) -> None:
        self._podman, self.name = podman, name

    def terminate(self) -> None:
        """Send it SIGTERM, and do not wait."""
        self._podman.command("kill", "--signal", "TERM", self.name)

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        return int(self._podman.command("wait", self.name))

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._podman.command("inspect", "--format", "{{.State.Running}}", self.name).strip() == "true"

    def logs(self) -> str:
        """What it has said."""
        ended = subprocess.run(
            ["podman", "logs", self.name], env=self._podman.environment, timeout=COMMAND_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        return ended.stdout


@contextlib.contextmanager
def podman() -> Iterator[Podman]:
    """podman, until the block ends. Without it, or not as root, the test is skipped; with CI=true that is a failure."""
    missing = [program for program in ("podman", "runc", "mmdebstrap") if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        reason = f"{', '.join(missing)} missing: make containers" if missing else "a base image is made by root alone"
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    directory = Path(tempfile.mkdtemp(prefix="spaces-podman-"))
    try:
        here = Podman(directory)
        try:
            yield here
        finally:
            here.command("rm", "--all", "--force", "--time", "0")
    finally:
        _unmount(directory)
        shutil.rmtree(directory)


def _unmount(directory: Path) -> None:
    """What podman leaves mounted below the directory, its own storage above all."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((each for each in mounts if each.startswith(f"{directory}/")), reverse=True):
        subprocess.run(["umount", mount], check=True)
