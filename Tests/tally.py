#!/usr/bin/python3
"""Adds up what the runners of Tests/run left in a directory, and ends with the one line `N passed, N failed, N skipped`.

For each runner there is NAME.status (its exit status), NAME.seconds and, for those that run test cases, NAME.xml in JUnit's format. The Swift tests
run twice, with and without a network namespace: a case counts once, failed if it failed anywhere, skipped only if it ran nowhere.
A runner that ends badly without a failed case to show for it counts as one failed.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

WITHOUT_CASES = {"lint", "tidy", "conformance", "build"}
SAME_CASES = {"unit": "swift", "netns": "swift"}
ORDER = ("failed", "passed", "skipped")


def cases(path):
    """(identifier, outcome, message) of each test case."""
    for case in ElementTree.parse(path).iter("testcase"):
        wrong = [child for child in case if child.tag in ("failure", "error")]
        outcome = "failed" if wrong else "skipped" if case.find("skipped") is not None else "passed"
        name = f"{case.get('classname')}.{case.get('name')}"
        yield name, outcome, (wrong[0].get("message") or "").splitlines()[:1] if wrong else []


def last_words(log, limit=60):
    """The last lines of a runner that left no results, without those that tell of what went well."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [f"  {line[:300]}" for line in lines if not any(word in line for word in (" passed after ", " started."))][-limit:]


def duration(status_file):
    """How long the runner took, where it said so: what CI's minutes go to."""
    try:
        return f", {int(status_file.with_suffix('.seconds').read_text())} s"
    except (OSError, ValueError):
        return ""


def main(directory):
    outcomes, said = {}, []
    for status_file in sorted(Path(directory).glob("*.status"), key=lambda path: path.stat().st_mtime):
        runner, status = status_file.stem, int(status_file.read_text())
        group = SAME_CASES.get(runner, runner)
        if runner in WITHOUT_CASES:
            found = [(runner, "failed" if status else "passed", [])]
        else:
            try:
                found = list(cases(status_file.with_suffix(".xml")))
            except (OSError, ElementTree.ParseError) as error:
                found = []
                said.append(f"{runner}: no readable results: {error}")
                said += last_words(status_file.with_suffix(".log"))
            if not any(outcome == "failed" for _, outcome, _ in found) and (status or not found):
                found.append((f"runner {runner}", "failed", [f"ended with status {status} after {len(found)} cases"]))
        count = {outcome: sum(one == outcome for _, one, _ in found) for outcome in ORDER}
        print(f"{runner:11} {count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped{duration(status_file)}")
        for name, outcome, message in found:
            if outcome == "failed":
                said.append(f"{runner}: FAILED {name} {' '.join(message)}".rstrip())
            known = outcomes.setdefault((group, name), outcome)
            outcomes[group, name] = min(known, outcome, key=ORDER.index)
    total = {outcome: sum(one == outcome for one in outcomes.values()) for outcome in ORDER}
    print(*said, sep="\n", end="\n" if said else "")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not outcomes else 0


sys.exit(main(sys.argv[1]))
