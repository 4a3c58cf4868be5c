"""A row of docs/scale.md from a line of `show --format json` and the times of GNU time; without arguments, the head of the table."""

import json
import sys

COLUMNS = ["L", "d", "k", "networks × inputs", "engine", "ranks × threads", "found", "η* mean ± std", "‖∇f‖ mean ± std",
           "evaluations (depth 1: passes) per line", "wall s", "processor s", "peak memory of each rank"]


def row(line, workers, times):
    """`times`: seconds of wall, user and system, and kilobytes, of each rank."""
    yield from (str(line["depth"]), f"{line['dim']:,}", f"{line['width']:,}", f"{line['networks']} × {line['inputs']}", line["engine"], workers)
    yield f"{100 * line['fraction']:.1f} %"
    yield f"{line['step_mean']:.2f} ± {line['step_std']:.2f}"
    yield f"{line['grad_mean']:.4f} ± {line['grad_std']:.4f}"
    yield f"{line['evaluations']:.1f}"
    yield f"{max(wall for wall, *_ in times):,.0f}"
    yield f"{sum(user + system for _, user, system, _ in times):,.0f}"
    yield ", ".join(f"{kilobytes * 1024 / 1e9:.2f}" for *_, kilobytes in times) + " GB"


def main():
    if len(sys.argv) == 1:
        print("|", " | ".join(COLUMNS), "|")
        return print("|" + "---|" * len(COLUMNS))
    times = []
    for name in sys.argv[2:]:
        with open(name) as file:
            times.append([float(word) for word in file.read().split()[-4:]])
    print("|", " | ".join(row(json.loads(sys.stdin.readline()), sys.argv[1], times)), "|")


main()
