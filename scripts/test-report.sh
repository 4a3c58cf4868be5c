#!/usr/bin/env bash
# Drives pages of `advstep-hpc report` in a headless browser.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/test-report.sh [DIRECTORY]

Writes reports of small runs and checks them in a headless Chromium or Chrome (ADVSTEP_BROWSER, or the first found): figures, legend, axes,
sorting, values under the pointer, keyboard, printing, no error in the console, no request that leaves the page. With a DIRECTORY
it leaves screenshots there. Exits with 77, which is neither success nor failure, if there is no browser.
END
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac

if [ $# -gt 0 ]; then
    ADVSTEP_SHOTS=$(realpath -m "$1")
    export ADVSTEP_SHOTS
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."

browser=${ADVSTEP_BROWSER:-}
for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
    [ -n "$browser" ] || browser=$(command -v "$name" || true)
done
if [ -z "$browser" ]; then
    echo "test-report: SKIPPED, not passed: there is no Chromium or Chrome (apt-get install chromium, or set ADVSTEP_BROWSER)"
    exit 77
fi
export ADVSTEP_BROWSER=$browser ADVSTEP_PYTHON=${ADVSTEP_PYTHON:-python3}
cargo test --profile "${ADVSTEP_PROFILE:-release}" --locked --test program -- --ignored --exact report::the_page_works_in_a_browser
