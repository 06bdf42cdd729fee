"""The codec of Tests/Interop, for tests that need neither root nor namespaces."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Interop"))
