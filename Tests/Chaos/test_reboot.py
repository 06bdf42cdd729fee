"""A bridge with many VSIs reboots and knows nothing: all come back by themselves, in batches and not in a storm."""

import shutil
import time
from collections import Counter

from lab import eventually
from lab.codec import ASSOCIATE
from lab.pair import Pair, end, requests

from test_loss import Crowd

COUNT, LLDPADS = 1000, 300


class Traffic:
    """What a station has sent by ECP, in the order of the wire at the bridge's end."""

    def __init__(self, frames):
        self.outstanding_twice = []         # ECPDUs that were sent while another was neither acknowledged nor given up
        self.sizes, self.asked = [], Counter()
        self.transmissions = self.pdus = 0
        sent, acknowledged = {}, set()
        last = None
        for frame in frames:
            ecp = frame.ecp
            if not ecp:
                continue
            if ecp.acknowledge:
                if frame.outgoing:
                    acknowledged.add(ecp.sequence)
                continue
            if frame.outgoing:
                continue
            self.transmissions += 1
            if ecp.sequence == last:
                sent[last] += 1
                continue
            if last is not None and last not in acknowledged and sent[last] < 4:     # R = 3
                self.outstanding_twice.append((last, ecp.sequence))
            # The first one may have been under way already when the look began.
            sent[ecp.sequence] = 1 if last is not None else 4
            last = ecp.sequence
            acknowledged.discard(last)
            self.pdus += 1
            vsis = [vsi.uuid for vsi in frame.vdp.vsis if vsi.command == ASSOCIATE]
            self.sizes.append(len(vsis))
            self.asked.update(vsis)

    def figures(self):
        return (f"{self.pdus} ECPDUs in {self.transmissions} transmissions, {sum(self.sizes) / max(1, self.pdus):.1f} VSIs in each, "
                f"a VSI asked for {sum(self.asked.values()) / max(1, len(self.asked)):.2f} times")


def test_ECP_03_VDP_34_VDP_39_a_thousand_vsis_come_back_in_batches(cable, capsys):
    """ECP-03 VDP-34 VDP-39 evbd as the bridge: as many VSIs in a PDU as it holds, never two PDUs under way, and each asked for twice at most."""
    pair = Pair(cable, log={"level": "info"})
    asked = requests(COUNT)
    pair.control().call_all("Associate", asked)
    wanted = {request["vsiID"] for request in asked}
    eventually(lambda: pair.held() == wanted, 60, "the bridge holds all")
    pair.wire.clear()
    end(pair.bridge, "kill")
    for entry in pair.bridge.directory.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    time.sleep(1)       # a boot takes a while
    dead = Traffic(pair.wire.look())
    pair.wire.clear()
    began = time.monotonic()
    pair.bridge.start()
    eventually(lambda: pair.held() == wanted, 30, "all are back")
    took = time.monotonic() - began
    eventually(lambda: all(vsi["state"] == "associated" for vsi in pair.evbd.vsis().values()), 5, "the station thinks so too")
    traffic = Traffic(pair.wire.look())
    with capsys.disabled():
        print(f"\n    evbd rebooted with {COUNT} VSIs: all back {took:.1f} s after its start; {traffic.figures()}; "
              f"while it was away {dead.transmissions} transmissions ", end="", flush=True)
    assert not traffic.outstanding_twice and not dead.outstanding_twice
    assert set(traffic.asked) >= wanted
    assert traffic.pdus < COUNT / 8, "several VSIs in a PDU"
    assert max(traffic.asked.values()) <= 3 and sum(traffic.asked.values()) <= 2 * COUNT, "asked for, and kept alive, and no more"
    assert dead.transmissions < 100, "nobody is there to hear it"


def test_ECP_03_VDP_34_VDP_39_many_vsis_come_back_to_lldpad(cable, capsys):
    """ECP-03 VDP-34 VDP-39 lldpad as the bridge, which takes one VSI of a PDU and lets others fall: all come back, one PDU at a time."""
    crowd = Crowd(cable)
    crowd.burst(LLDPADS)
    crowd.wait_for_all(LLDPADS, 60, "all associated")
    crowd.bridge.kill()
    crowd.ledger.restarted()
    wire = cable.wire()
    began = time.monotonic()
    crowd.bridge.start()
    crowd.agree(LLDPADS, 60)
    took = time.monotonic() - began
    traffic = Traffic(wire.look())
    with capsys.disabled():
        print(f"\n    lldpad rebooted with {LLDPADS} VSIs: all back {took:.1f} s after its start; {traffic.figures()} ", end="", flush=True)
    assert not traffic.outstanding_twice
    assert sum(traffic.asked.values()) <= 4 * LLDPADS and traffic.transmissions <= 4 * LLDPADS
