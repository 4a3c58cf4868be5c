#!/usr/bin/env bash
# Kills members of teams at random times, resumes with other teams, and compares the results with an undisturbed run.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/torture-teams.sh [KILLS [SEED]]

Runs a small experiment whose networks are computed by teams, on 2 to 4 ranks of 1 or 2 threads under mpirun, over and over. At a random time
one rank gets SIGKILL, SIGTERM (with --grace 0 or 30), or SIGSTOP and a second later SIGKILL. The same experiment is then resumed with other ranks,
threads and teams until it is finished, and its results are compared with those of an undisturbed run on single threads. Ends after
KILLS signals (default 50) and the run in which the last one was sent. The exit code is 0 if all runs have the same results, no job hangs, and
each ends as it should. Takes about three minutes on two cores. scripts/torture.sh is for single threads as well, and kills only.

Needs Open MPI 4. Builds the program with cargo, unless ADVSTEP is set to one.
END
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac
kills=${1:-50} seed=${2:-1}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh
find_program
unset ADVSTEP_FAULT

# Three to eight slabs per layer on the implicit and shallow engines, one slab, and networks for single threads.
# shellcheck disable=SC2054 # the commas are within the arguments
experiment=(--depths 1,2 --dims 12 --widths 100,9000,25000,70000 --networks 24 --inputs 8)
# How long a job may take to end after a signal, and without one.
patience=60

work=$(mktemp -d /tmp/advstep-torture.XXXXXX)
job=
clean_up() {
    [[ -z $job ]] || end_all
    rm -rf "$work"
}
trap clean_up EXIT
ranks_of() { pgrep -P "$job" -x "$(basename "$ADVSTEP" | cut -c -15)" || true; }
end_all() { ranks_of | xargs --no-run-if-empty kill -KILL 2>/dev/null || true; kill -KILL "$job" 2>/dev/null || true; }
# within SECONDS COMMAND...: retries the command until it succeeds; fails on timeout.
within() { local end=$((SECONDS + $1)); until "${@:2}"; do ((SECONDS < end)) || return 1; sleep 0.05; done; }
has_ended() { ! kill -0 "$job" 2>/dev/null; }
# draw WORD...: one of them, in `drawn`; not by a subshell, which would not advance RANDOM.
draw() { shift "$((RANDOM % $#))"; drawn=$1; }

failures=0
fail() {
    echo "FAILED: $1"
    sed 's/^/    /' "$work/log"
    failures=$((failures + 1))
}

"$ADVSTEP" run "${experiment[@]}" --team none --threads 2 --quiet --out "$work/reference.h5" >"$work/tables"
RANDOM=$seed
declare -A sent=([KILL]=0 [TERM]=0 [STOP]=0)
total=0 starts=0 runs=0 same=0 recovered=0 hung=0
while ((total < kills && failures < 5)); do
    runs=$((runs + 1)) history=
    rm -f "$work/out.h5"*
    while true; do
        draw 2 3 4 4; ranks=$drawn
        draw 1 2; threads=$drawn
        if ((ranks == 4)); then draw 2 4; else draw 2 "$ranks"; fi; team=$drawn
        draw 0 30; grace=$drawn
        draw KILL TERM STOP; signal=$drawn
        delay=$(printf '%d.%03d' $((RANDOM % 3)) $((RANDOM % 1000)))
        victim=$((RANDOM % ranks))
        starts=$((starts + 1))
        mpirun --bind-to none -n "$ranks" "$ADVSTEP" run "${experiment[@]}" --team "$team" --threads "$threads" --grace "$grace" \
            --out "$work/out.h5" >"$work/tables" 2>"$work/log" </dev/null &
        job=$!
        how="$ranks ranks × $threads threads, teams of $team"
        sleep "$delay"
        struck=no
        mapfile -t members < <(ranks_of)
        if ((total < kills && ${#members[@]} > victim)) && kill "-$signal" "${members[victim]}" 2>/dev/null; then
            struck=$signal total=$((total + 1)) history+=${signal:0:1}
            sent[$signal]=$((sent[$signal] + 1))
            how+=", $signal with grace $grace to one after $delay s"
            if [[ $signal == STOP ]]; then sleep 1; kill -KILL "${members[victim]}" 2>/dev/null || true; fi
        fi
        within "$patience" has_ended || { hung=$((hung + 1)); fail "hangs: $how"; end_all; }
        code=0
        wait "$job" || code=$?
        job=
        ! grep -q " recovered from " "$work/log" || recovered=$((recovered + 1))
        # MPI is not up in the first moments: the default action of SIGTERM, or an abort of the launcher.
        case $struck/$code in
            */0) break ;;
            TERM/75 | TERM/143 | KILL/* | STOP/*) ;;
            TERM/1) ! grep -q "networks and" "$work/log" || fail "exit code 1: $how" ;;
            */2) if [[ -e $work/out.h5 ]] && grep -q "the file exists" "$work/log"; then break; else fail "exit code 2: $how"; break; fi ;;
            *) fail "exit code $code: $how"; break ;;
        esac
        ((failures < 5)) || break
    done
    if "$ADVSTEP" compare "$work/out.h5" "$work/reference.h5" >"$work/log" 2>&1; then
        same=$((same + 1))
        echo "run $runs: the same after ${#history} signals $history"
    else
        fail "run $runs differs after ${#history} signals $history"
    fi
done
echo "$total signals (${sent[KILL]} SIGKILL, ${sent[TERM]} SIGTERM, ${sent[STOP]} SIGSTOP then SIGKILL) in $starts starts of $runs runs, seed $seed;" \
    "$recovered starts recovered networks; $hung hung; $same of $runs runs the same; $failures failures; $SECONDS s"
((failures == 0 && same == runs))
