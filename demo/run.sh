#!/bin/sh
# SPDX-License-Identifier: MIT
#
# make demo: a private cluster, opening stock made from the retail data, and a year of a shop's
# invoices as real operations. Called by demo/demo.mk, which has built the programs. Whatever ends
# it, nothing of it is left running, and its temporary folder is gone. Exit code: 0 when everything
# adds up.
set -eu

build=${BUILD:-build}
holdfast=$build/bin/holdfast
replay=$build/demo/replay
data=${DEMO_DATA:-demo/data/online-retail.csv}

if [ ! -x "$holdfast" ] || [ ! -x "$replay" ]; then
    echo "demo: the programs are not built: run make demo" >&2
    exit 71
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-demo.XXXXXX")
cluster=$folder/cluster
began=$(date +%s)
live= # pid of the replay beside the console

clean_up() {
    code=$?
    trap '' INT TERM HUP
    trap - EXIT
    if [ -n "$live" ]; then
        kill "$live" 2>/dev/null || true
        wait "$live" 2>/dev/null || true
    fi
    if [ -d "$cluster" ]; then
        echo
        echo "Stopping the cluster"
        "$holdfast" down --dir "$cluster" --destroy >"$folder/down.log" 2>&1 ||
            { cat "$folder/down.log" >&2; [ "$code" -ne 0 ] || code=71; }
    fi
    rm -rf "$folder"
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

step() {
    printf '\n== %s\n' "$*"
}

step "A private cluster: 2 shards (a MariaDB each), 2 workers for each, 1 broker"
"$holdfast" up --dir "$cluster" --shards 2 --workers 2
file=$cluster/cluster.yaml

step "Warehouses and reasons"
for warehouse in "LONDON:London, with the returns desk" "LEEDS:Leeds" "BRISTOL:Bristol"; do
    "$holdfast" -C "$file" warehouse put "${warehouse%%:*}" --name "${warehouse#*:}" >/dev/null
done
"$holdfast" -C "$file" warehouse list
tail -n +2 demo/reason-codes.csv | while IFS=, read -r code name; do
    name=${name#\"}
    "$holdfast" -C "$file" reason put "$code" --name "${name%\"}" >/dev/null
done
"$holdfast" -C "$file" reason list

step "Items and opening stock"
"$replay" opening --data "$data" --out "$folder/opening.csv"
echo "  \$ holdfast import opening.csv"
"$holdfast" -C "$file" import "$folder/opening.csv" --rejects "$folder/rejects.csv"

step "The invoices, in file order"
"$replay" run -C "$file" --data "$data" --run "$folder/run"

step "The cluster's own audit: ledger, stock and reservations agree"
echo "  \$ holdfast audit"
"$holdfast" -C "$file" audit
echo "  all of it took $(($(date +%s) - began)) s"

if [ -t 0 ] && [ -t 1 ]; then
    step "The console, with the invoices coming in again as new orders"
    cat <<END
  F1 explains, F9 shows what can be done, F10 stops everything. Try: Enter on a row, F4, F3.
  In another terminal, in this folder:
  export HOLDFAST_CLUSTER=$file PATH=$(cd "$build/bin" && pwd):\$PATH
  holdfast stock 22423
END
    printf 'Enter opens it: '
    read -r _ || true
    "$replay" live -C "$file" --data "$data" >"$folder/live.log" 2>&1 &
    live=$!
    "$build/bin/holdfast-console" -C "$file" || true
fi
