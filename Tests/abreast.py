#!/usr/bin/python3
"""Tests/abreast.py FOLDER RESULTS.xml: runs the test files of FOLDER with pytest, two at a time.

Tests with real daemons mostly wait for timers of protocols, so that two files at once take little more than the longer one. Every file has
a pytest of its own; what it says is printed when it has ended. The results of all stand in RESULTS.xml, in JUnit's format. The longest
files begin first. Status 0 only if every pytest ended so. SIGTERM and SIGINT go to all, and each takes its labs down.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ABREAST = 2
# pytest's status where a file has no test that runs.
NOTHING_COLLECTED = 5


class Abreast:
    def __init__(self, files, directory):
        self.waiting, self.directory = files, directory
        self.lock, self.running, self.statuses, self.ended = threading.Lock(), set(), {}, False

    def work(self):
        while (path := self.next()) is not None:
            self.statuses[path] = self.run(path)

    def next(self):
        with self.lock:
            return self.waiting.pop(0) if self.waiting and not self.ended else None

    def run(self, path):
        output = self.directory / f"{path.stem}.log"
        command = [sys.executable, "-m", "pytest", "-v", "--tb=short", "-p", "no:cacheprovider", f"--junitxml={self.results(path)}", str(path)]
        with open(output, "wb") as log:
            # Out of the terminal's and timeout's process group: a second signal would interrupt the taking down.
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
            with self.lock:
                self.running.add(process)
                if self.ended:
                    process.terminate()
            status = process.wait()
        with self.lock:
            self.running.discard(process)
            sys.stdout.write(output.read_text(errors="replace"))
            sys.stdout.flush()
        return status

    def results(self, path):
        return self.directory / f"{path.stem}.xml"

    def end(self, number, _frame):
        """A signal to all; no other file begins. It comes to the main thread, which holds no lock."""
        self.ended = True
        for process in list(self.running):
            process.send_signal(number)


def join(paths, target):
    """One file of results from many; one that is missing is a failure."""
    suites = ElementTree.Element("testsuites")
    for path in paths:
        try:
            suites.extend(ElementTree.parse(path).iter("testsuite"))
        except (OSError, ElementTree.ParseError) as error:
            case = ElementTree.SubElement(ElementTree.SubElement(suites, "testsuite", name=path.stem), "testcase", classname=path.stem, name="all")
            ElementTree.SubElement(case, "failure", message=f"no readable results: {error}")
    ElementTree.ElementTree(suites).write(target, encoding="unicode")


def main(folder, target):
    files = sorted(Path(folder).glob("test_*.py"), key=lambda path: -path.stat().st_size)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as directory:
        abreast = Abreast(list(files), Path(directory))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, abreast.end)
        workers = [threading.Thread(target=abreast.work) for _ in range(ABREAST)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        join([abreast.results(path) for path in files], target)
    return int(abreast.ended or any(abreast.statuses.get(path) not in (0, NOTHING_COLLECTED) for path in files))


sys.exit(main(*sys.argv[1:]))
