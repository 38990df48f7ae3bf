#!/bin/sh
# Make the virtual environment with exactly what is locked. Quick when nothing has changed; several at once wait.
# usage: setup.sh VENV STAMP INPUT...
set -eu
venv=$1 stamp=$2
shift 2
python=${PYTHON:-python3}

fail() {
    echo "$1" >&2
    exit 1
}

# One at a time. Python locks, since flock(1) is not everywhere; the lock is inherited, and ends with this process.
if [ -z "${SPACES_SETUP_LOCKED:-}" ]; then
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "$python is not Python 3.11 or newer: install one, or name it with PYTHON=..."
    SPACES_SETUP_LOCKED=1 exec "$python" -c '
import fcntl, os, sys
lock = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(lock, fcntl.LOCK_EX)
os.set_inheritable(lock, True)
os.execv("/bin/sh", ["sh", *sys.argv[1:]])' "$0" "$venv" "$stamp" "$@"
fi

# The path counts too: an environment does not work where it was copied to.
wanted=$({ pwd && cat "$0" "$@"; } | cksum)
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

echo "Setting up $venv (once, about a minute)"
"$python" -m venv --clear "$venv" || fail "cannot make $venv: install Python's venv module (Debian: python3-venv)"
"$venv/bin/python" -m pip --disable-pip-version-check --quiet install \
    --require-hashes --only-binary :all: -r requirements/lock.txt
# What builds these is locked as well: without isolation nothing else is fetched. Its warnings are for packagers.
PYTHONWARNINGS=ignore "$venv/bin/python" -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation \
    -e agent -e client -e .
echo "$wanted" >"$stamp"
