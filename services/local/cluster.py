"""Making a PostgreSQL data directory: passwords from the first moment on, one database, one role that owns it."""

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from services.local.account import Account, run_as
from services.local.errors import ServerFailed
from services.local.postgres_install import Install

DATABASE, ROLE = "spaces", "history"

# Who may connect: only the role, only to its database. The superuser exists for single-user mode alone.
_ACCESS = f"host {DATABASE} {ROLE} 127.0.0.1/32 scram-sha-256\n"


def create_cluster(data: Path, install: Install, account: Account | None, password: str, *, durable: bool) -> None:
    """Make `data`, whose parent belongs to the account, all or nothing. Raises ServerFailed or OSError."""
    unfinished = data.with_name(data.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    with tempfile.NamedTemporaryFile("w", dir=data.parent) as superuser:
        superuser.write(secrets.token_urlsafe(24))
        superuser.flush()
        if account is not None:
            os.fchown(superuser.fileno(), account.uid, account.gid)
        command = [install.initdb, "-D", str(unfinished), "--username=postgres", f"--pwfile={superuser.name}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums"]
        _checked(run_as(account, command if durable else [*command, "--no-sync"]))
    _create_database(unfinished, install, account, password, durable=durable)
    (unfinished / "pg_hba.conf").write_text(_ACCESS)
    unfinished.rename(data)


def _create_database(data: Path, install: Install, account: Account | None, password: str, *, durable: bool) -> None:
    """Make role and database in single-user mode: no listening, no superuser password to keep."""
    literal = password.replace("'", "''")
    # One statement a line.
    sql = (
        f"CREATE ROLE {ROLE} LOGIN PASSWORD '{literal}'\n"
        f"CREATE DATABASE {DATABASE} OWNER {ROLE}\n"
        f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC\n"
    )
    command = [install.postgres, "--single", "-D", str(data), "-c", f"fsync={'on' if durable else 'off'}", "postgres"]
    done = _checked(run_as(account, command, stdin=sql))
    if "ERROR:" in done.stderr:  # it goes on after a statement that fails
        raise ServerFailed("PostgreSQL", "cannot make its database: " + done.stderr.strip().splitlines()[-1])


def _checked(done: subprocess.CompletedProcess[str] | None) -> subprocess.CompletedProcess[str]:
    if done is None:
        raise ServerFailed("PostgreSQL", "its programs cannot be run")
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()
        raise ServerFailed("PostgreSQL", "cannot make its data directory: " + lines[-1])
    return done
