"""The lab of Tests/Interop, with a release build. EVBD_RELEASE_DIR names one; without it one is built, as Packaging/deb builds it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Interop"))

from lab.fixtures import *  # noqa: E402,F401,F403
from lab.fixtures import pytest_runtest_makereport, pytest_sessionstart  # noqa: E402,F401


def pytest_addoption(parser):
    parser.addoption("--update", action="store_true", help="take what is counted now for the counts to keep to, and say what has changed")
