"""As many S-channels as an uplink can have. To be run inside Tests/uml/run, and as the last file: while Linux 6.1 takes such a network
namespace apart, 35 s there, nftables keeps waiting who closes a socket of it in any other.
"""

import os
import re
import time
import uuid

from lab import eventually
from test_channels import Bench


def test_SCH_183_as_many_channels_as_there_can_be(cable, tell):
    """SCH-183 166 channels come up within the usual limit of descriptors, and each takes a VSI."""
    channels = [{"scid": scid, "guest-filter": False} for scid in range(2, 168)]
    began = time.monotonic()
    bench = Bench(cable, channels=channels, bridge={"svids": "100-400", "bridge": "br0"}, wait=())
    eventually(lambda: all(svid for _, svid, _ in bench.channels().values()), 120, "all channels are granted")
    tell(f"all 166 were granted {time.monotonic() - began:.1f} s after the first side was begun")
    eventually(lambda: not any(reason for _, _, reason in bench.channels().values()), 120, "all channels are there")
    tell(f"all 166 were there {time.monotonic() - began:.1f} s after that")

    def heard():
        ports = bench.station.ctl_json("status")["ports"]
        return len(ports) == 167 and all(port["peer"] for port in ports)
    eventually(heard, 120, "all channels have a bridge", every=0.5)
    tell(f"all 166 had a bridge {time.monotonic() - began:.1f} s after that")
    for side in (bench.station, bench.bridge):
        longest = re.search(r"^evbd_loop_longest_turn_seconds (\S+)", side.ctl("metrics").stdout, re.M).group(1)
        tell(f"{side.name}: the longest turn of its loop took {float(longest) * 1000:.1f} ms")
        limits = open(f"/proc/{side.pid}/limits").read()
        soft = int(re.search(r"Max open files\s+(\d+)", limits).group(1))
        used = len(os.listdir(f"/proc/{side.pid}/fd"))
        tell(f"{side.name}: {used} descriptors of {soft}")
        assert used < soft
    for scid in (2, 90, 167):
        bench.station.associate(str(uuid.uuid4()), port=f"uplink0.c{scid}", mac=f"52:54:00:00:01:{scid:02x}")
