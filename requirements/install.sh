#!/bin/sh
# Install Debian's packages, unless they are there. No service of theirs is started.
# usage: install.sh PACKAGE...   the first is named like a program, which will do where there is no apt-get
set -eu
missing=""
for package; do
    dpkg-query --show --showformat '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
if [ -z "$missing" ]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
    # Another system, where somebody has brought the program.
    command -v "$1" >/dev/null && exit 0
    echo "$1 is missing, and there is no apt-get to install it by: put one into the PATH" >&2
    exit 1
fi
echo "Installing$missing"
export DEBIAN_FRONTEND=noninteractive
root="env"
if [ "$(id -u)" != 0 ]; then root="sudo env"; fi
# An old list of packages names versions that are gone; a fresh one costs seconds.
$root apt-get update --quiet=2
# Offline, systemctl starts nothing.
# shellcheck disable=SC2086
$root SYSTEMD_OFFLINE=1 apt-get install --quiet=2 --yes --no-install-recommends $missing >/dev/null
