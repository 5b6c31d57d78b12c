#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs the Debian packages that Holdfast needs and that are missing; `make deps` calls it. On
# another system it installs nothing and says what is lacking.
#
# usage: deps.sh [build|run|test|bench|dev|valgrind|mysql]...   (default: build run test)
#        deps.sh --list GROUP...                       prints the packages of the groups
set -eu

packages() {
    case $1 in
    build)
        echo gcc libc6-dev make pkg-config libzmq3-dev libmariadb-dev libyaml-dev \
            protobuf-c-compiler libprotobuf-c-dev protobuf-compiler uthash-dev libxxhash-dev \
            libjson-c-dev libssl-dev libncurses-dev
        ;;
    run) echo mariadb-server-core mariadb-client-core ;;
    test)
        echo libcmocka-dev libvterm-dev tmux clang-14 libclang-rt-14-dev shellcheck mandoc python3 \
            python3-zmq python3-protobuf python3-jsonschema jq g++ util-linux procps bash-completion \
            libfaketime
        ;;
    bench) echo linux-perf gnuplot-nox redis-tools ;; # the server of redis without a service
    dev) echo clang-format valgrind gdb llvm-14 ;;
    valgrind) echo valgrind ;;
    mysql) echo debootstrap ;;
    *)
        echo "deps.sh: unknown group \"$1\": build, run, test, bench, dev, valgrind or mysql" >&2
        exit 64
        ;;
    esac
}

list=no
if [ "${1:-}" = --list ]; then
    list=yes
    shift
fi
[ $# -gt 0 ] || set -- build run test
wanted=
for group in "$@"; do
    wanted="$wanted $(packages "$group")"
done
if [ "$list" = yes ]; then
    # one a line; the list is split on purpose
    # shellcheck disable=SC2086
    printf '%s\n' $wanted
    exit 0
fi

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    lacking=
    for tool in gcc make pkg-config protoc-c protoc mariadbd mariadb-install-db jq; do
        command -v "$tool" >/dev/null 2>&1 || lacking="$lacking $tool"
    done
    for module in libzmq libmariadb yaml-0.1 libprotobuf-c libxxhash json-c libcrypto ncursesw cmocka vterm; do
        pkg-config --exists "$module" 2>/dev/null || lacking="$lacking $module(pkg-config)"
    done
    if [ -n "$lacking" ]; then
        echo "deps: this is not a Debian system; please install:$lacking" >&2
        exit 71
    fi
    exit 0
fi

missing=
for package in $wanted; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "deps: missing packages, and neither root nor sudo here; please run as root:" >&2
        echo "  apt-get install --no-install-recommends$missing" >&2
        exit 71
    fi
    as_root=sudo
fi
echo "deps: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q >/dev/null
# shellcheck disable=SC2086
$as_root apt-get install -y -q --no-install-recommends $missing >/dev/null ||
    {
        echo "deps: apt-get could not install:$missing" >&2
        exit 71
    }
