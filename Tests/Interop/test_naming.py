"""What an operator calls a VSI, lists, tables and streams of evbctl: one evbd at each end of a cable."""

import json
import os
import uuid

import pytest

from lab import Evbd, eventually
from lab.evbd import FAILED, OK, USAGE

FIRST, SECOND, THIRD = "52:54:00:11:22:01", "52:54:00:11:22:02", "52:54:00:11:22:03"


@pytest.fixture
def evbd(cable):
    """A station that hears a bridge."""
    cable.bridge = Evbd(cable.lab, cable.switch, name="bridge", ports=[{"interface": "port0", "role": "bridge"}])
    return cable.evbd().wait_for_bridge()


def new_vsi(beginning=""):
    return beginning + str(uuid.uuid4())[len(beginning):]


def test_OPS_401_OPS_402_every_command_takes_a_vsi_by_any_name(cable, evbd):
    """UUID, first digits, link, MAC or label; several at once; what means several VSIs is refused and listed. Labels outlast a restart."""
    first, second, third = new_vsi("aaaa1111"), new_vsi("aaaa2222"), new_vsi("bbbb")
    evbd.associate(first, "--link", "vm1", "--label", "Web 1", mac=FIRST)
    evbd.associate(second, "--label", "db", mac=SECOND)
    evbd.associate(third, "--label", "aaaa", mac=THIRD)

    def shown(*names):
        said = evbd.ctl_json("vsi", "show", *names)
        return [vsi["vsiID"] for vsi in (said if isinstance(said, list) else [said])]

    for name in (first, first.upper(), first[:5], first.replace("-", "")[:20], "vm1", "link=vm1", FIRST, FIRST.upper(), "Web 1", "label=Web 1"):
        assert shown(name) == [first], name
    assert shown("aaaa") == [third], "a whole label goes before the first digits"
    assert shown("vm1", "db", SECOND) == [first, second], "each once, in the order given"
    assert evbd.ctl_json("vsi", "show", "vm1")["label"] == "Web 1"
    assert "Web 1" in evbd.ctl("vsi", "show", "vm1").stdout
    several = evbd.ctl("vsi", "show", "id=aaaa")
    assert several.returncode == USAGE and first in several.stderr and second in several.stderr and third not in several.stderr
    none = evbd.ctl("vsi", "show", "vm9", "--json")
    assert none.returncode == FAILED and not none.stdout
    said = json.loads(none.stderr)
    assert set(said) == {"error", "message", "remedy"} and said["error"] == "NoSuchVSI" and "vm9" in said["message"] and said["remedy"]
    usage = evbd.ctl("vsi", "list", "--json", "--state", "nowhere")
    assert usage.returncode == USAGE and json.loads(usage.stderr)["error"] == "Usage"

    # The bridge knows its VSIs by their MAC addresses too, and takes one back by it.
    assert cable.bridge.ctl_json("vsi", "show", SECOND)["vsiID"] == second
    # Another request keeps the label, unless it brings one; an empty one removes it.
    evbd.associate("vm1", mac=FIRST, type_id=7)
    assert evbd.vsi(first)["label"] == "Web 1" and evbd.vsi(first)["typeID"] == 7
    evbd.process.kill()
    evbd.start().wait_for_bridge()
    eventually(lambda: evbd.state(first) == "associated", 10, f"the VSI is back {evbd.vsis()}")
    assert evbd.vsi(first)["label"] == "Web 1"
    evbd.associate("vm1", "--label", "", mac=FIRST)
    assert evbd.vsi(first)["label"] is None

    assert evbd.ctl("vsi", "deassociate", "vm1", "nothing").returncode == FAILED
    assert evbd.state(first) == "associated", "a name that means nothing, and none has ended"
    result = evbd.ctl("vsi", "deassociate", "vm1", "db", THIRD)
    assert result.returncode == OK and len(result.stdout.splitlines()) == 3, result.stderr or result.stdout
    eventually(lambda: not evbd.vsis() and not cable.bridge.vsis(), 5, "all have ended")
