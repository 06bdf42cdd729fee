"""tshark with the dissector, as Tests/Wireshark has it."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Wireshark"))


def pytest_sessionstart(session):
    if os.geteuid():
        pytest.exit("the demo makes network namespaces and needs root", returncode=1)
