#!/bin/sh
# Build the programs of tools.txt, unless they are there in these versions.
# usage: tools.sh DIRECTORY
set -eu
bin=$1
list=$(dirname "$0")/tools.txt
mkdir -p "$bin"
bin=$(cd "$bin" && pwd)

grep -v '^#' "$list" | while read -r module; do
    stamp=$bin/.$(echo "${module%@*}" | tr / _)
    if [ "$(cat "$stamp" 2>/dev/null)" = "$module" ]; then continue; fi
    command -v go >/dev/null || {
        echo "go is missing: install Go 1.25 or newer (https://go.dev), or put the program of $module into the PATH" >&2
        exit 1
    }
    echo "Building $module (once; a minute or two)"
    GOBIN=$bin GOFLAGS=-trimpath go install "$module"
    echo "$module" >"$stamp"
done
