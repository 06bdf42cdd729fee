"""Debian packages, unpacked below the lab's cache and never installed: no service, nothing outside the lab."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .system import REPOSITORY, run

CACHE = Path(os.environ.get("EVBD_LAB_CACHE", REPOSITORY / ".build-lab"))

# In a Debian that Tests/newest has laid they are installed, and their libraries have other names than here.
INSTALLED = "EVBD_LAB_INSTALLED" in os.environ


def _installed(target):
    """This system's own files in the shape of unpacked packages. A search for libraries does not follow links, and finds none."""
    target.mkdir()
    for part in ("usr", "etc"):
        (target / part).symlink_to(f"/{part}")
    return target


def unpacked(name, packages):
    """The directory that holds the packages' files; downloads and unpacks them the first time."""
    target = CACHE / name
    if target.exists():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    if INSTALLED:
        return _installed(target)
    work = Path(tempfile.mkdtemp(dir=CACHE))
    try:
        _download(work, packages)
        for package in work.glob("*.deb"):
            run("dpkg", "-x", package, work / "root")
        try:
            (work / "root").rename(target)
        except OSError:  # another run was faster
            if not target.exists():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _download(directory, packages):
    # The sandbox user of apt may not write here, and apt would say so at length.
    command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *packages]
    if subprocess.run(command, cwd=directory, capture_output=True).returncode:
        run("apt-get", "-q", "update", timeout=300)
        result = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300)
        if result.returncode:
            raise RuntimeError(f"cannot download {' and '.join(packages)}: {result.stderr}")
