"""Devices and rules of S-channels in the kernel: the Swift tests of ChannelDataplane, which want VLAN devices. To be run inside Tests/uml/run."""

import os
import subprocess
from pathlib import Path


def test_channels_in_the_kernel():
    """SCH-09 The Swift suite ChannelDevicesSuites, in a network namespace of its own; none of it is skipped."""
    # A module in Linux 6.1, which no system call of these tests loads.
    subprocess.run(["modprobe", "ipv6"], check=False)
    bundle = os.environ.get("EVBD_TEST_BUNDLE") or Path(os.environ["EVBD_BIN_DIR"]) / "evbdPackageTests.xctest"
    run = subprocess.run(
        ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", bundle, "--testing-library", "swift-testing", "--filter", "ChannelDevicesSuites"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ, EVBD_TEST_NETNS="1"), timeout=240,
    )
    assert run.returncode == 0 and "passed after" in run.stdout and "skipped" not in run.stdout, run.stdout[-6000:]
