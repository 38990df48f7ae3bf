#!/bin/sh
# Install Debian's podman with runc, and mmdebstrap for a base image, unless they are there. No service of theirs is started.
set -eu
wanted="podman runc mmdebstrap"
missing=""
for package in $wanted; do
    dpkg-query --show --showformat '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
if [ -z "$missing" ]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
    echo "containers: there is no apt-get to install$missing by" >&2
    exit 1
fi
echo "Installing$missing"
export DEBIAN_FRONTEND=noninteractive
root="env"
if [ "$(id -u)" != 0 ]; then root="sudo env"; fi
$root apt-get update --quiet=2
# Offline, systemctl starts nothing.
# shellcheck disable=SC2086
$root SYSTEMD_OFFLINE=1 apt-get install --quiet=2 --yes --no-install-recommends $missing >/dev/null
