#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Which lines of the code that decides the corpora reach: every corpus is replayed by fuzzers built
# with clang's source coverage, and the report says it for each file. `make fuzz-coverage` calls it;
# needs llvm-14 (make deps-dev).
#
# usage: coverage.sh FUZZ_BUILD [FILE.c]...   (without a file, those that decide)
set -eu

build=$1
shift
[ $# -gt 0 ] || set -- workers/ledger*.c workers/validate.c workers/records.c workers/result.c \
    workers/catalog.c workers/session.c workers/work.c broker/dispatch.c broker/admit.c \
    broker/assign.c broker/queue.c broker/rate.c broker/reply.c broker/session.c broker/outbox.c \
    client/core*.c client/encode.c client/decode.c client/fanout.c protocol/header.c \
    protocol/text.c protocol/ids.c common/csv.c cli/import_row.c cli/import_scan.c \
    common/config.c common/config_file.c common/config_keys.c bulk/*.c

raw=$build/coverage
rm -rf "$raw"
mkdir -p "$raw"
objects=
for fuzzer in "$build"/tests/fuzz/fuzz_*; do
    case $fuzzer in *.o | *.d) continue ;; esac
    name=${fuzzer##*/fuzz_}
    LLVM_PROFILE_FILE="$raw/$name.profraw" "$fuzzer" "tests/fuzz/corpus/$name"/* \
        >"$raw/$name.log" 2>&1 || {
        tail -n 20 "$raw/$name.log" >&2
        exit 1
    }
    objects="$objects -object $fuzzer"
done
llvm-profdata-14 merge -sparse -o "$raw/all.profdata" "$raw"/*.profraw
# One a word, on purpose.
# shellcheck disable=SC2086
llvm-cov-14 report -instr-profile="$raw/all.profdata" ${objects# -object } "$@"
