"""Fixtures and hooks are the lab's; Tests/uml uses the same."""

from lab.fixtures import *  # noqa: F401,F403
from lab.fixtures import pytest_runtest_makereport, pytest_sessionstart  # noqa: F401
