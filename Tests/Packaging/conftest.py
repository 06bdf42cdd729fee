"""The package as Packaging/deb makes it, once for all tests. The lab is that of Tests/Interop.

EVBD_RELEASE_DIR: a release build to make the package of; without it Packaging/deb makes one. EVBD_PACKAGE: a package that is there already.
"""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "Tests/Interop"))

from lab.fixtures import *  # noqa: E402,F401,F403
from lab.fixtures import pytest_runtest_makereport, pytest_sessionstart  # noqa: E402,F401


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """path: the .deb. root: its files, unpacked. snmp, types, cni, cockpit: those of the others. said: what Packaging/deb printed."""
    folder = tmp_path_factory.mktemp("package")
    said = ""
    if "EVBD_PACKAGE" in os.environ:
        path = Path(os.environ["EVBD_PACKAGE"])
    else:
        # Hardly compressed: that would take longer than the rest.
        made = subprocess.run([REPOSITORY / "Packaging/deb", "--output", folder], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env={**os.environ, "DPKG_DEB_COMPRESSOR_LEVEL": "0"})
        said = made.stdout + made.stderr
        assert made.returncode == 0, said[-4000:]
        path, = folder.glob("evbd_*.deb")
    root = folder / "root"
    subprocess.run(["dpkg-deb", "-x", path, root], check=True)
    # Those of the subagent, of the servers of types and of containers are other packages.
    snmp, types, cni = folder / "snmp", folder / "types", folder / "cni"
    for name, where in (("evbd-snmp", snmp), ("evbd-types", types), ("evbd-cni", cni)):
        for other in path.parent.glob(path.name.replace("evbd_", f"{name}_")):
            subprocess.run(["dpkg-deb", "-x", other, where], check=True)
    cockpit = folder / "cockpit"
    for other in path.parent.glob("cockpit-evbd_*_all.deb"):
        subprocess.run(["dpkg-deb", "-x", other, cockpit], check=True)
    return SimpleNamespace(cockpit=cockpit, path=path, root=root, snmp=snmp, types=types, cni=cni, said=said)
