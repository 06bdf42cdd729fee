"""What was measured: every value, and the machine on which it was."""

import datetime
import json
import os
import platform
import statistics
import subprocess
from pathlib import Path

from lab.system import REPOSITORY

from .process import load
from .rows import BY_NAME, CURVES, SUBJECTS


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine())
    said = subprocess.run(["git", "-c", f"safe.directory={REPOSITORY}", "log", "-1", "--format=%h"], cwd=REPOSITORY, capture_output=True, text=True)
    return {"processor": cpu, "processors": len(os.sched_getaffinity(0)), "kernel": platform.release(), "commit": said.stdout.strip() or "unknown",
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")}


class Results:
    def __init__(self, **about):
        self.about = {**machine(), "given": bool(os.environ.get("EVBD_RELEASE_DIR")), "load before": round(load(), 2), **about}
        self.rows, self.curves, self.remarks, self.failures = {}, {}, {}, []

    def add(self, row, subject, *values):
        """Values of a row in its unit."""
        assert row in BY_NAME and subject in SUBJECTS, (row, subject)
        self.rows.setdefault(row, {}).setdefault(subject, []).extend(map(float, values))

    def point(self, curve, subject, vsis, *values):
        """Values of a curve at that many VSIs."""
        assert curve in CURVES and subject in SUBJECTS, (curve, subject)
        self.curves.setdefault(curve, {}).setdefault(subject, {}).setdefault(str(vsis), []).extend(map(float, values))

    def remark(self, row, text):
        """Said under the table, once."""
        self.remarks[row] = text

    def as_json(self):
        return {"about": self.about, "remarks": self.remarks,
                "rows": {row: {subject: summary(values) for subject, values in figures.items()} for row, figures in self.rows.items()},
                "curves": {curve: {subject: {size: summary(values) for size, values in points.items()} for subject, points in subjects.items()}
                           for curve, subjects in self.curves.items()}}


def summary(values):
    ordered = sorted(values)
    at = lambda part: ordered[min(len(ordered) - 1, int(part * len(ordered)))]
    return {"median": rounded(statistics.median(ordered)), "low": rounded(at(0.1)), "high": rounded(at(0.9)), "values": len(ordered)}


def rounded(value):
    return float(f"{value:.4g}")


def read(path):
    return json.loads(Path(path).read_text())
