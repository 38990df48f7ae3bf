#!/bin/sh
# Make a base image of Debian's python3, since no registry of images may be within reach: its packages unpacked and no more,
# which Python needs no more of, and what this machine trusts. As root.
# usage: debian-base.sh NAME
set -eu
name=$1
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
# shellcheck disable=SC2016
mmdebstrap --quiet --variant=extract \
    --include=base-files,dash,coreutils,sed,grep,findutils,libc-bin,netbase,python3-minimal,python3-venv \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --extract-hook='cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"' "$suite" "$directory/base.tar"
podman import --quiet "$directory/base.tar" "$name" >/dev/null
