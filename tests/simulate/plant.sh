#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: CC=… CFLAGS=… LINK=… plant.sh PATCH FOLDER OBJECT…
#
# Builds FOLDER/simulate with one planted bug: copies the files that the patch names, patches the
# copies, compiles them, and links them before everything else. simulate.mk calls it.
set -eu
patch=$1
folder=$2
shift 2

rm -rf "$folder"
mkdir -p "$folder/src"
planted=
for file in $(sed -n 's#^+++ b/##p' "$patch"); do
    mkdir -p "$folder/src/$(dirname "$file")"
    cp "$file" "$folder/src/$file"
done
# No fuzz: a plant whose place has changed must be looked at again.
patch -s -p1 -F0 -d "$folder/src" <"$patch"
kept=" $* "
for file in $(sed -n 's#^+++ b/##p' "$patch"); do
    object=$folder/$(echo "$file" | tr / -).o
    # shellcheck disable=SC2086
    $CC -I"$folder/src" $CFLAGS -c -o "$object" "$folder/src/$file"
    planted="$planted $object"
    # What is not in an archive is left out by name.
    kept=$(echo "$kept" | sed "s# [^ ]*/${file%.c}\.o # #")
done
# shellcheck disable=SC2086
$CC -o "$folder/simulate" $planted $kept $LINK
