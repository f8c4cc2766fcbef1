#!/bin/sh
# Makes the pictures of the README, docs/report-light.png and docs/report-dark.png, from a real run:
#
#   docs/pictures.sh            a run of half a minute
#   docs/pictures.sh RESULT     a saved result
#
# ETCDBENCH is the program to use instead of the present source. It needs chromium.
set -eu
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
program=${ETCDBENCH:-"go run ./cmd/etcdbench"}
result=${1:-}
if [ -z "$result" ]; then
    result=$scratch/run
    $program run --rate 1000 --duration 30s --disturb defragmentation@15s,member=leader --progress none --out "$result" > /dev/null
fi
$program report --format html "$result" > "$scratch/report.html"
scheme() { # NAME NUMBER: Chromium's preferredColorScheme is 0 for dark, 1 for light
    chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$scratch/profile" \
        --window-size=1060,900 --blink-settings=preferredColorScheme="$2" --virtual-time-budget=2000 \
        --screenshot="$PWD/docs/report-$1.png" "file://$scratch/report.html" 2> "$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
}
scheme light 1
scheme dark 0
ls -l docs/report-light.png docs/report-dark.png
