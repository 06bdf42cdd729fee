"""The lab of Tests/Interop, for what breaks in it; seeded, short by default and long by hand (see Tests/Chaos/README.md)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Interop"))

from lab.fixtures import *  # noqa: E402,F401,F403
from lab.fixtures import pytest_runtest_makereport, pytest_sessionstart  # noqa: E402,F401
