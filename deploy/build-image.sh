#!/usr/bin/env bash
# Builds the image named as the argument with buildah, which needs no daemon.
#
# BASE         the base image; if unset, a Debian with Python is made by debootstrap and kept
# BUILD_FLAGS  more flags for `buildah build`, for example
#              "--volume /etc/pip.conf:/etc/pip.conf:ro" for your own package index
set -euo pipefail
cd "$(dirname "$0")/.."

image=$1
suite=trixie
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot

require() {
    command -v "$1" > /dev/null || {
        echo "$1 is missing: apt-get install --no-install-recommends buildah debootstrap" >&2
        exit 2
    }
}

make_base() {
    require debootstrap
    if [ "$(id -u)" != 0 ]; then
        echo "debootstrap needs root: run as root, or set BASE to an image" >&2
        exit 2
    fi
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    echo "Making $1 (once; about a minute) ..."
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
        "$suite" "$folder" http://deb.debian.org/debian > "$folder.log" \
        || { cat "$folder.log" >&2; exit 1; }
    rm "$folder.log"
    container=$(buildah from scratch)
    buildah add -q "$container" "$folder" /
    buildah commit -q --rm "$container" "$1"
}

require buildah
if [ -z "${BASE:-}" ]; then
    BASE=localhost/video-bot-base:$suite
    buildah inspect --type image "$BASE" > /dev/null 2>&1 || make_base "$BASE"
fi
# The docker format, because the OCI format has no HEALTHCHECK.
# shellcheck disable=SC2086 -- several flags
buildah build --format docker --build-arg BASE="$BASE" ${BUILD_FLAGS:-} --tag "$image" .
