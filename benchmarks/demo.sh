#!/bin/sh
# The main job on the embedded CPU default: a new git repository, a shipped task, and an
# evolution by `tune`, which needs no model. Usage: demo.sh AVOGIT DIRECTORY INSTALL_SECONDS
set -eu
PATH=$(dirname "$1"):$PATH
wanted=$2 installed=${3:-0}

directory=$wanted number=2
while [ -e "$directory" ]; do directory=$wanted-$number number=$((number + 1)); done

begun=$(date +%s)
say() { printf '\n$ %s\n' "$*"; "$@"; }

git init -q -b main "$directory"
cd "$directory"
git config user.name >/dev/null || git config user.name "avogit demo"
git config user.email >/dev/null || git config user.email "demo@avogit.invalid"
git commit -q --allow-empty -m "An empty project"

say avogit init --task "${AVOGIT_DEMO_TASK:-attention-cpu}"
say avogit seed
say avogit run --operator tune --steps "${AVOGIT_DEMO_STEPS:-30}" \
    --minutes "${AVOGIT_DEMO_MINUTES:-2.4}"
say avogit best
say avogit fsck
say git log --graph --branches='avo/*' \
    --format='%h %(trailers:key=Avo-Score,valueonly,separator=%x20) %s'

printf '\nmake demo took %s s; installing its packages took %s s\n' \
    "$(($(date +%s) - begun))" "$installed"
printf 'the repository is %s\n' "$directory"
