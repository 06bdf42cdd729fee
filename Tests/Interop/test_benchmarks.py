"""Tests/Benchmarks/run: that it measures and judges. How fast evbd is, no test says: the clocks of test machines stall."""

import json
import os
import subprocess
import sys

from lab.evbd import BINARIES
from lab.system import REPOSITORY

RUN = REPOSITORY / "Tests/Benchmarks/run"


def run(*words, **more):
    said = subprocess.run([RUN, *map(str, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300,
                          env={**os.environ, "EVBD_RELEASE_DIR": str(BINARIES), **more})
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


def summary(median, low=None, high=None):
    return {"median": median, "low": low or median, "high": high or median, "values": 9}


def written(path, rows, curves=None):
    about = {"date": "2026-01-01 00:00 UTC", "commit": "0", "processors": 2, "processor": "P", "kernel": "6", "load before": 0, "rounds": 1, "quick": False}
    path.write_text(json.dumps({"about": about, "remarks": {}, "rows": rows, "curves": curves or {}}))
    return path


def row(text, beginning):
    return next(line for line in text.splitlines() if line.startswith(beginning))


def test_SPD_131_the_table_measures_all_three_and_judges(tmp_path):
    """SPD-131 One command measures evbd, lldpad and the floor in turns, and keeps their figures."""
    file = tmp_path / "figures.json"
    said = run("--quick", "--only", "association", "--json", file)
    figures = json.loads(file.read_text())["rows"]
    assert set(figures["association"]) == {"evbd", "lldpad", "floor"} and all(each["median"] > 0 for each in figures["association"].values())
    # lldpad loses some where the machine is busy.
    assert all(figures["association"][subject]["values"] == 20 for subject in ("evbd", "floor"))
    assert figures["netlink"]["lldpad"]["median"] > 0 and "one association" in said


def test_SPD_131_each_target_is_judged(tmp_path):
    """SPD-131 A target is a figure, a ratio to the floor or one to lldpad; all have to be met, and what was not measured judges nothing."""
    # At most 2 x the floor, and at most a fourteenth of lldpad's.
    for evbd, floor, lldpad, words in ((150, 80, 2300, "  met"), (170, 80, 9000, "not met"), (170, 300, 2300, "not met")):
        said = run("--show", written(tmp_path / "one.json", {"association": {"evbd": summary(evbd), "floor": summary(floor), "lldpad": summary(lldpad)}}))
        assert row(said, "one association").endswith(words), said
    said = run("--show", written(tmp_path / "two.json", {"association": {"evbd": summary(9), "floor": summary(80)}, "status": {"evbd": summary(0.2)}}))
    assert row(said, "one association").endswith("lldpad") and row(said, "GetStatus").endswith("not met") and "0 met, 1 not met" in said


def test_SPD_131_a_run_is_compared_with_an_earlier_one(tmp_path):
    """SPD-131 The change of each row against an earlier run, and whether that is within the spread of both."""
    before = written(tmp_path / "before.json", {"status": {"evbd": summary(0.2)}, "list": {"evbd": summary(2, 1, 4)}})
    now = written(tmp_path / "now.json", {"status": {"evbd": summary(0.1)}, "list": {"evbd": summary(3, 2, 5)}})
    said = run("--show", now, "--compare", before)
    assert row(said, "GetStatus").endswith("-50 %") and row(said, "ListVSIs").endswith("+50 % ~"), said


def test_SPD_131_a_mistake_among_the_words_is_said_before_anything_is_measured(tmp_path):
    """SPD-131 A row that is not there, a file that is not there."""
    for words, told in ((["--only", "speed"], "there is no row speed"), (["--show", tmp_path / "none.json"], "there is no file")):
        said = subprocess.run([RUN, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, env={**os.environ, "EVBD_RELEASE_DIR": "/nowhere"})
        assert said.returncode == 2 and told in said.stderr, said.stdout + said.stderr


def test_SPD_131_the_page_has_the_last_run():
    """SPD-131 Documentation/performance.md and its plots are those of the last run in Tests/Benchmarks/results: Tests/Benchmarks/run --page FILE."""
    sys.path.insert(0, str(RUN.parent))
    from comparison import page, results
    part, drawn = page.contents(results.read(sorted((RUN.parent / "results").glob("*.json"))[-1]))
    assert page.table_of(page.PAGE.read_text()) == part
    assert {path.stem: path.read_text() for path in page.PLOTS.glob("*.svg")} == drawn
