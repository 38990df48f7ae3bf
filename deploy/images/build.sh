#!/bin/sh
# Build both images: TAG (default: the version), BASE (default: the Containerfile's), ENGINE (default: podman, buildah or
# docker, the first that is there), BUILD_FLAGS for the engine, like --secret id=pip.conf,src=/etc/pip.conf
set -eu
cd "$(dirname "$0")/../.."

fail() {
    echo "make images: $1" >&2
    exit 1
}

engine=${ENGINE:-}
if [ -z "$engine" ]; then
    for each in podman buildah docker; do
        if command -v "$each" >/dev/null; then
            engine=$each
            break
        fi
    done
fi
[ -n "$engine" ] || fail "there is no podman, buildah or docker here: install one (Debian: apt-get install podman)"
command -v "$engine" >/dev/null || fail "there is no $engine here"
if [ "$(basename "$engine")" = docker ]; then
    "$engine" version >/dev/null 2>&1 || fail "docker is here, but its engine does not answer: start it, or install podman"
fi

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
tag=${TAG:-$version}
for target in agent service; do
    echo "Building spaces-$target:$tag with $engine"
    # shellcheck disable=SC2086
    "$engine" build --file deploy/images/Containerfile --target "$target" --tag "spaces-$target:$tag" \
        ${BASE:+--build-arg "BASE=$BASE"} --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
        ${BUILD_FLAGS:-} .
done
