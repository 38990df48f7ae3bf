#!/bin/sh
# Install Debian's Chromium and the fonts that the console's pictures need, unless they are there.
set -eu
wanted="chromium fonts-inter fonts-wqy-microhei"
missing=""
for package in $wanted; do
    dpkg-query --show --showformat '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
if [ -z "$missing" ]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
    # Another system, where somebody has brought a browser of their own.
    command -v chromium >/dev/null && exit 0
    echo "chromium is missing, and there is no apt-get to install it by: put one into the PATH" >&2
    exit 1
fi
echo "Installing$missing"
export DEBIAN_FRONTEND=noninteractive
root=""
if [ "$(id -u)" != 0 ]; then root=sudo; fi
# An old list of packages names versions that are gone; a fresh one costs seconds.
$root apt-get update --quiet=2
# shellcheck disable=SC2086
$root apt-get install --quiet=2 --yes --no-install-recommends $missing >/dev/null
