"""A hostile or broken peer: damaged frames by the hundred thousand, as fast as evbd takes them, while an association stands.

EVBD_MUTATIONS sets the number, EVBD_SEED repeats a run.
"""

import os
import random
import time
import uuid

from lab import eventually
from lab.codec import read_pcap
from lab.evbd import OK, SANITIZER
from lab.fixtures import PORT_MAC
from lab.mutation import Mutator, corpus
from lab.system import REPOSITORY, unread

NUMBER = int(os.environ.get("EVBD_MUTATIONS", 100_000))
SEED = int(os.environ.get("EVBD_SEED", random.SystemRandom().randrange(1 << 32)))
# 40 of the largest frames fit the default receive buffer of a packet socket, so none is dropped before evbd has seen it.
BATCH = 40
RSS_GROWTH_KIB = 2048
LOG_LIMIT = 16 << 20


def is_refused_for_good(evbd, vsi):
    shown = evbd.ctl_json("vsi", "show", vsi)
    return shown["state"] == "deassociated" and shown["vsidb"]["operHard"] and shown["vsidb"]["operReason"] not in (None, "success")


def test_VDP_32_TLV_20_TLV_21_mutations_leave_it_alive_and_associated(cable):
    """VDP-32 VDP-29 TLV-20 TLV-21 TLV-22 ECP-11 ECP-18 Same process, no growth, evbctl answers all along, associated at the end."""
    print(f"EVBD_SEED={SEED} EVBD_MUTATIONS={NUMBER}")
    wire = cable.wire()
    bridge = cable.lldpad_bridge()
    evbd = cable.evbd(log={"level": "info"}).wait_for_bridge()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0")
    # Frames of this very conversation go deepest: they name the VSI that is there.
    seeds = corpus([frame for frame in wire.look() if frame.outgoing], PORT_MAC)
    assert any(vsi.replace("-", "") in octets.hex() for octets in seeds)
    for capture in sorted((REPOSITORY / "Tests/Captures").glob("22-*.pcap")):
        seeds += corpus(read_pcap(capture), PORT_MAC)
    mutator = Mutator(random.Random(SEED), seeds)

    hint = f"again with EVBD_SEED={SEED} EVBD_MUTATIONS={NUMBER}"
    settled, sent, began = None, 0, time.monotonic()
    while sent < NUMBER:
        batch = [mutator.next() for _ in range(min(BATCH, NUMBER - sent))]
        for octets in batch:
            wire.send(octets)
        sent += len(batch)
        try:
            eventually(lambda: not unread(evbd.pid), 10, "evbd takes the frames", every=0.0005)
        except (AssertionError, FileNotFoundError) as error:
            raise AssertionError(f"after {sent} frames: {error}; {hint}\nlast batch:\n" + "\n".join(octets.hex() for octets in batch)) from None
        if sent % 4000 < BATCH:
            wire.clear()
            assert evbd.process.alive, f"evbd died within {sent} frames; {hint}\n" + "\n".join(octets.hex() for octets in batch)
            assert evbd.ctl("status", timeout=5).returncode == OK, hint
        if settled is None and sent >= NUMBER // 10:
            settled = evbd.process.rss_kib()
    assert evbd.process.alive, f"evbd died; {hint}"
    growth = evbd.process.rss_kib() - settled
    print(f"{sent} frames in {time.monotonic() - began:.1f} s, RSS {settled} KiB {growth:+d} KiB")
    assert bridge.process.alive, f"lldpad died: has evbd sent it something malformed? {hint}"

    # A mutation may be a valid De-Associate, another neighbour or a new EVB TLV: then evbd has to find its way back by itself.
    # Or it is a valid refusal for good, which is left with the bridge's reason until a manager asks anew.
    settle = lambda: evbd.state(vsi) == "associated" or is_refused_for_good(evbd, vsi)     # noqa: E731
    # A neighbour of the mutations that has taken the bridge's place is outlived after three LLDPDUs, found by the fourth: 120 s.
    # After many refusals that are not for good the next request follows within 340 s.
    eventually(settle, 120 + 340 + 60, f"{vsi} is associated, or refused for good: {evbd.vsi(vsi)}, {evbd.port()}; {hint}")
    if evbd.state(vsi) != "associated":
        print("refused for good by a mutation; asked for anew")
        evbd.associate(vsi, "--link", "vm0")
    eventually(lambda: bridge.holds(vsi) and cable.host.is_up("vm0"), 10, f"held by lldpad and the link up; {hint}")
    if SANITIZER:
        print(f"the memory is the {SANITIZER} sanitizer's, and is not judged")
    else:
        assert growth < RSS_GROWTH_KIB, f"RSS grew by {growth} KiB; {hint}"
    assert len(evbd.process.output()) < LOG_LIMIT, "a peer fills the log"
    second = str(uuid.uuid4())
    evbd.associate(second, mac="52:54:00:11:22:44")
    assert bridge.holds(second)
