#!/bin/sh
# Put Debian's nginx and Caddy into a directory, unless they are there or in the PATH. They are unpacked only: to install
# them would start servers on this machine.
# usage: proxies.sh DIRECTORY
set -eu
bin=$1
missing=""
for program in nginx caddy; do
    command -v "$program" >/dev/null || [ -x "/usr/sbin/$program" ] || [ -x "$bin/$program" ] || missing="$missing $program"
done
if [ -z "$missing" ]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
    echo "missing:$missing, and there is no apt-get to fetch them by: put them into the PATH" >&2
    exit 1
fi
echo "Fetching$missing"
mkdir -p "$bin"
bin=$(cd "$bin" && pwd)
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
chmod 755 "$unpacked"
cd "$unpacked"
root=""
if [ "$(id -u)" != 0 ]; then root=sudo; fi
# An old list of packages names versions that are gone; a fresh one costs seconds.
$root apt-get update --quiet=2
# shellcheck disable=SC2086
apt-get download --quiet=2 -o APT::Sandbox::User=root $missing
for program in $missing; do
    dpkg-deb --extract "$program"_*.deb .
    mv "$(find usr -type f -name "$program" -path '*bin/*')" "$bin/$program"
    "$bin/$program" "$([ "$program" = nginx ] && echo -v || echo version)" >/dev/null 2>&1 || {
        echo "$program does not run here: install Debian's package $program" >&2
        exit 1
    }
done
