"""What Tests/Guards has counted: instructions and allocations of a keep-alive."""

import json

from lab.system import REPOSITORY

ROWS = ("keep-alive-instructions", "keep-alive-allocations")


def measure(_, results, __):
    counts = json.loads((REPOSITORY / "Tests/Guards/baseline.json").read_text())["keep-alive"]
    for what in ("instructions", "allocations"):
        results.add(f"keep-alive-{what}", "evbd", counts[what])
