#!/bin/sh
# Put programs of Debian's packages into a directory, unless they are there or in the PATH. They are unpacked only: to
# install them would start servers on this machine.
# usage: unpack.sh DIRECTORY PACKAGE[/PROGRAM]...   without a program, the one that is named like its package
set -eu
bin=$1
shift
missing=""
for wanted; do
    program=${wanted#*/}
    command -v "$program" >/dev/null || [ -x "/usr/sbin/$program" ] || [ -x "$bin/$program" ] || missing="$missing $wanted"
done
if [ -z "$missing" ]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
    echo "missing:$missing, and there is no apt-get to fetch them by: put them into the PATH" >&2
    exit 1
fi
echo "Unpacking$missing"
mkdir -p "$bin"
bin=$(cd "$bin" && pwd)
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
cd "$unpacked"
root=""
if [ "$(id -u)" != 0 ]; then root=sudo; fi
# An old list of packages names versions that are gone; a fresh one costs seconds.
$root apt-get update --quiet=2
for wanted in $missing; do
    package=${wanted%/*} program=${wanted#*/}
    [ -d "$package" ] || {
        apt-get download --quiet=2 -o APT::Sandbox::User=root "$package"
        dpkg-deb --extract "$package"_*.deb "$package"
    }
    mv "$(find "$package/usr" -type f -name "$program" -path '*bin/*')" "$bin/$program"
    if ldd "$bin/$program" 2>&1 | grep -q 'not found'; then
        echo "$program does not run here, a library is missing: install Debian's package $package" >&2
        exit 1
    fi
done
