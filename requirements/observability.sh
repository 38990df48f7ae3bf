#!/bin/sh
# Put Prometheus and promtool into .tools/bin, out of Debian's package, unless they are there. Nothing is installed and no daemon started:
# the package is only unpacked.
set -eu
cd "$(dirname "$0")/.."
bin=.tools/bin
have() { [ -x "$bin/$1" ] || command -v "$1" >/dev/null; }
if have prometheus && have promtool; then exit 0; fi
if ! command -v apt-get >/dev/null; then
    echo "prometheus and promtool are missing, and there is no apt-get to fetch them by: put them into the PATH" >&2
    exit 1
fi
echo "Unpacking prometheus"
root=""
if [ "$(id -u)" != 0 ]; then root=sudo; fi
$root apt-get update --quiet=2
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
# apt's own user must be able to write there.
chmod 755 "$unpacked"
(cd "$unpacked" && apt-get download --quiet=2 prometheus 2>/dev/null && dpkg-deb --extract prometheus_*.deb files)
mkdir -p "$bin"
mv "$unpacked/files/usr/bin/prometheus" "$unpacked/files/usr/bin/promtool" "$bin/"
