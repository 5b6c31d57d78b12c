#!/bin/sh
# SPDX-License-Identifier: MIT
#
# make bench: private clusters of one shard, and the comparison on them. Called by bench/bench.mk,
# which has built the programs; arguments go to the program (bench/main.c). Leaves nothing behind.
# Exit code: 0 when every target is met, 1 when one is missed.
set -eu

build=${BUILD:-build}
folder=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-bench.XXXXXX")

clean_up() {
    code=$?
    trap '' INT TERM HUP
    trap - EXIT
    for cluster in cluster plain followed; do
        [ -d "$folder/$cluster" ] || continue
        "$build/bin/holdfast" down --dir "$folder/$cluster" --destroy >"$folder/down.log" 2>&1 ||
            { cat "$folder/down.log" >&2; [ "$code" -ne 0 ] || code=71; }
    done
    rm -rf "$folder"
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

echo "machine: $(nproc) processors,$(sed -n 's/^model name[^:]*://p' /proc/cpuinfo | head -n 1), $(uname -sr)"
echo "server: $(mariadbd --version 2>/dev/null || PATH=$PATH:/usr/sbin mariadbd --version), innodb_flush_log_at_trx_commit=1, sync_binlog=1, ROW"
echo "cluster: 1 shard, 2 workers, 1 broker, 1 view, ipc; and two like it, without views: one of them with a relay"
up() {
    "$build/bin/holdfast" up --dir "$folder/$1" --shards 1 --workers 2 --views "$2" --relays "$3" \
        >"$folder/up.log" 2>&1 || { cat "$folder/up.log" >&2; exit 71; }
}
up cluster 1 0
up plain 0 0
up followed 0 1
"$build/bench/bench" -C "$folder/cluster/cluster.yaml" --beside "$folder/plain/cluster.yaml" \
    --follow "$folder/followed/cluster.yaml" "$@"
