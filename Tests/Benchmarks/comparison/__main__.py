"""The command line of Tests/Benchmarks/run, once everything is installed and built."""

import argparse
import gc
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
sys.path.insert(0, str(REPOSITORY / "Tests/Interop"))

from lab import Lab     # noqa: E402

from . import associations, commands, guards, links, page, plots, report, sizes, store     # noqa: E402
from .process import load   # noqa: E402
from .results import Results, read  # noqa: E402
from .rows import ROWS  # noqa: E402
from .stage import Stage    # noqa: E402

MEASURES = [associations, sizes, links, store, commands, guards]
KEPT = HERE.parent / "results"


class Scope:
    """How much is measured."""

    def __init__(self, words):
        self.quick, self.rounds = words.quick, words.rounds or (1 if words.quick else 5)
        # Takes what is measured and not meant, such as the first of a kind.
        self.discarded = Results()


def arguments():
    parser = argparse.ArgumentParser(prog="Tests/Benchmarks/run", description="evbd, Debian's lldpad and the least that the machine can do, in one table.")
    parser.add_argument("--only", action="append", metavar="ROW", help="this row alone, and what is measured together with it; may be repeated (--rows lists them)")
    parser.add_argument("--rows", action="store_true", help="list the rows and their targets, and end")
    parser.add_argument("--quick", action="store_true", help="one round, few VSIs: whether it works, not how fast it is")
    parser.add_argument("--rounds", type=int, metavar="COUNT", help="rounds of each measure (5, with --quick 1)")
    parser.add_argument("--large", action="store_true", help="also 40 ports x 1,000 VSIs, and 64,000 in a bridge role; some minutes")
    parser.add_argument("--ports", type=int, default=40, metavar="COUNT", help="ports of --large (40)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there; without it, and with neither --quick nor --only, into Tests/Benchmarks/results")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="a column of change against that run (the last in Tests/Benchmarks/results)")
    parser.add_argument("--plots", type=Path, metavar="DIRECTORY", help="write the plots there too")
    parser.add_argument("--profile", action="store_true", help="instead of the table: where evbd's instructions go, by callgrind; some minutes")
    parser.add_argument("--show", type=Path, metavar="FILE", help="measure nothing: print the table of that run")
    parser.add_argument("--page", type=Path, metavar="FILE", help="measure nothing: bring that run's table and plots into Documentation/performance.md")
    parser.add_argument("--parse", action="store_true", help=argparse.SUPPRESS)
    words = parser.parse_args()
    unknown = [name for name in words.only or [] if not report.known(name)]
    if unknown:
        parser.error(f"there is no row {' and no row '.join(unknown)}: --rows lists them")
    if words.ports < 1 or words.ports > 64 or (words.rounds is not None and words.rounds < 1):
        parser.error("--ports is 1 to 64, --rounds at least 1")
    missing = [str(path) for path in (words.compare, words.show, words.page) if path and not path.exists()]
    if missing:
        parser.error(f"there is no file {' and no file '.join(missing)}")
    return words


def checked(words):
    """The same words; `--only` of a row that --large measures means --large too."""
    words.large = words.large or any(name.startswith(("ports-", "rack-")) for name in words.only or [])
    return words


def before(words):
    """The run to compare with, or None; asked before this one is kept."""
    kept = sorted(KEPT.glob("*.json"))
    path = words.compare or (kept[-1] if kept else None)
    return read(path) if path else None


def wanted(words):
    measures = list(MEASURES)
    if words.large:
        from . import large
        measures.append(large)
    return [each for each in measures if not words.only or set(words.only) & set(each.ROWS)]


def measure(words):
    # Without a handler SIGTERM ends Python at once, and a shell has background commands ignore SIGINT: the labs would stay.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    results, scope = Results(rounds=words.rounds or (1 if words.quick else 5), quick=words.quick), Scope(words)
    scope.ports = words.ports
    for each in wanted(words):
        began = time.monotonic()
        gc.collect()
        gc.disable()
        with Lab(in_memory=True) as lab:
            try:
                each.measure(Stage(lab), results, scope)
            except Exception as error:
                # What the others have is kept.
                print(*(process.tail(10) for process in lab.processes if process.alive), sep="\n", file=sys.stderr)
                traceback.print_exc()
                results.failures.append(f"{each.__name__.rpartition('.')[2]}: {error}")
        gc.enable()
        print(f"{each.__name__.rpartition('.')[2]}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    results.about["load after"] = round(load(), 2)
    return results


def keep(words, results):
    path = words.json
    if not path and not words.quick and not words.only:
        KEPT.mkdir(exist_ok=True)
        path = KEPT / f"{results['about']['date'][:16].replace(' ', '-').replace(':', '')}.json"
    if path:
        path.write_text(json.dumps(results, indent=1) + "\n")
    return path


def main():
    words = checked(arguments())
    if words.parse:
        return
    if words.rows:
        for row in ROWS:
            print(f"{row.name:24} {row.what}" + (f"; {', '.join(target.text(row.unit) for target in row.targets)}" if row.targets else ""))
        return
    if words.show:
        print(report.text(read(words.show), read(words.compare) if words.compare else None))
        return
    if words.page:
        print(*page.write(read(words.page)), sep="\n")
        return
    if os.geteuid():
        sys.exit("Tests/Benchmarks/run: this makes network namespaces: run it as root")
    if words.profile:
        from . import profile
        with Lab(in_memory=True) as lab:
            profile.measure(Stage(lab))
        return
    measured = measure(words)
    results, earlier = measured.as_json(), before(words)
    path = keep(words, results)
    if words.plots:
        words.plots.mkdir(parents=True, exist_ok=True)
        for name, picture in plots.all_of(results).items():
            (words.plots / f"{name}.svg").write_text(picture)
    print(report.text(results, earlier))
    if path:
        print(f"Kept in {path}.")
    if measured.failures:
        sys.exit("Tests/Benchmarks/run: not measured to the end: " + "; ".join(measured.failures))


if __name__ == "__main__":
    main()
