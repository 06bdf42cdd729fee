"""What an operator asks and does at night: ask again, see what happened, take a switch down for maintenance, see what a switch can do."""

import pytest

from lab.codec import EVB, HARD
from lab.evbd import FAILED, NO_ANSWER, OK, USAGE
from lab.system import eventually

VSIS = [f"5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a{number:02x}" for number in range(16)]
MACS = [f"52:54:00:11:33:{number:02x}" for number in range(16)]


@pytest.fixture
def scripted(cable):
    """evbd at the host, and a bridge that does what the test says."""
    bridge = cable.scripted_bridge(evb=EVB(rrcap=True, rrctr=True, rte=10, rwd=17, rka=20))
    return cable, cable.evbd().wait_for_bridge(), bridge


def test_OPS_233_a_hard_refusal_is_asked_again_by_hand(scripted):
    """OPS-233 OPS-234 A VSI that was refused hard waits for ever; retry asks at once, by name or all of a port, and says how it ended."""
    _, evbd, bridge = scripted
    bridge.answer = lambda request: request.answered(3 | HARD)
    for vsi, mac in zip(VSIS[:3], MACS):
        assert evbd.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", 7, "--filter", f"mac={mac}").returncode == FAILED
    count = len(bridge.commands())

    refused = evbd.ctl("vsi", "retry", VSIS[0])
    assert refused.returncode == FAILED and "refused" in refused.stderr, refused
    assert len(bridge.commands()) == count + 1

    bridge.answer = lambda request: request.answered()
    asked = evbd.ctl("vsi", "retry", VSIS[0])
    assert asked.returncode == OK and "is associated" in asked.stdout, asked
    again = evbd.ctl("vsi", "retry", VSIS[0])
    assert again.returncode == FAILED and "holds VSI" in again.stderr, again
    assert evbd.ctl("vsi", "retry", "--all", "--port", "uplink0").stdout == "2 VSIs are asked for again\n"
    for vsi in VSIS[1:3]:
        evbd.wait_for_state(vsi, "associated")
    assert evbd.ctl_json("vsi", "retry", "--all") == {"retried": 0}

    assert evbd.ctl("vsi", "retry").returncode == USAGE
    assert evbd.ctl("vsi", "retry", "--all", VSIS[0]).returncode == USAGE
    assert evbd.ctl("vsi", "retry", VSIS[0], VSIS[9]).returncode == FAILED
    bridge.stop(goodbye=True)
    eventually(lambda: not evbd.hears_bridge(), 10, "the bridge is gone")
    assert evbd.ctl("vsi", "retry", VSIS[0]).returncode == NO_ANSWER
