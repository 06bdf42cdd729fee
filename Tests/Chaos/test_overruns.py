"""More happens to links than evbd reads: the kernel drops the news, and evbd finds out by itself how things are.

evbd is frozen while thousands of links are made, renamed and deleted. The news that fit the socket's queue are older than what is lost,
and the last of them may say the opposite of how things are.
"""

import subprocess
import uuid

import pytest

from lab import eventually
from lab.switch import Switch
from lab.system import always, run

ROUNDS = 150     # of the changes to twenty links: several thousand notifications, of which a queue holds less than a thousand
GUEST, OTHER_GUEST, THIRD_GUEST = "52:54:00:11:22:33", "52:54:00:11:22:44", "52:54:00:11:22:55"


def noise(namespace):
    """Links come and go, renamed and set up and down in between."""
    numbers = range(20)
    script = [f"link add n{number} type veth peer name p{number}" for number in numbers]
    for turn in range(ROUNDS):
        old, new = ("n", "m") if turn % 2 == 0 else ("m", "n")
        script += [f"link set {old}{number} down name {new}{number} alias {turn}" for number in numbers]
        script += [f"link set {new}{number} up" for number in numbers]
    script += [f"link delete p{number}" for number in numbers]
    done = subprocess.run(namespace.command("ip", "-batch", "-"), input="\n".join(script) + "\n", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def site(cable):
    switch = Switch(cable.lab, cable.switch)
    bridge = switch.evbd()
    evbd = cable.evbd(log={"level": "info"}).wait_for_bridge()
    return switch, bridge, evbd


def told(evbd):
    return evbd.process.output().count("links changed faster than they were read")


def vsi(evbd, *words, mac):
    made = str(uuid.uuid4())
    evbd.associate(made, *words, mac=mac)
    return made


def test_VDP_35_the_port_flaps_among_thousands_of_changes(cable, site):
    """VDP-35 The last thing that evbd can read of its port is that it went down; it is up."""
    _, _, evbd = site
    wanted = vsi(evbd, "--link", "vm0", mac=GUEST)
    evbd.process.freeze()
    cable.host.ip("link", "set", "uplink0", "down")
    noise(cable.host)
    cable.host.ip("link", "set", "uplink0", "up")
    evbd.process.thaw()
    eventually(lambda: told(evbd), 10, "told of the overrun")
    eventually(lambda: evbd.port()["linkUp"], 10, "the port is up")
    evbd.wait_for_state(wanted, "associated", 20)
    eventually(lambda: cable.host.is_up("vm0"), 10, "and so is the link")


def test_VDP_35_the_port_goes_unheard(cable, site):
    """VDP-35 The opposite: the last that is heard is that it is up, and it is down. It is noticed, and nothing counts as associated."""
    _, _, evbd = site
    wanted = vsi(evbd, mac=GUEST)
    evbd.process.freeze()
    for state in ("down", "up"):
        cable.host.ip("link", "set", "uplink0", state)
    noise(cable.host)
    cable.host.ip("link", "set", "uplink0", "down")
    evbd.process.thaw()
    eventually(lambda: not evbd.port()["linkUp"], 10, "the port is down")
    assert evbd.state(wanted) != "associated"
    cable.host.ip("link", "set", "uplink0", "up")
    evbd.wait_for_state(wanted, "associated", 20)


def test_links_are_found_as_they_are(cable, site):
    """Meanwhile the link of one VSI was deleted, that of another renamed, that of a third set down, and a card was changed for another."""
    _, _, evbd = site
    wanted = [vsi(evbd, "--link", f"vm{number}", mac=mac) for number, mac in enumerate((GUEST, OTHER_GUEST, THIRD_GUEST))]
    first = cable.host.index("vm0")
    evbd.process.freeze()
    noise(cable.host)
    cable.host.ip("link", "delete", "vm0")
    cable.host.ip("link", "set", "vm1", "down", "name", "vm9")
    cable.host.ip("link", "set", "vm2", "down")
    evbd.process.thaw()
    eventually(lambda: cable.host.is_up("vm0") and cable.host.index("vm0") != first, 20, "made anew")
    eventually(lambda: cable.host.is_up("vm9") and cable.host.is_up("vm2"), 10, "up again")
    eventually(lambda: evbd.vsi(wanted[1])["link"]["name"] == "vm9", 5, "the new name is known")
    assert all(evbd.state(each) == "associated" for each in wanted)


def test_a_link_that_went_to_its_machine_is_not_taken_for_deleted(cable, site):
    """Meanwhile the links of two VSIs were moved into other network namespaces: they are the VSIs' still, and are not made anew."""
    _, bridge, evbd = site
    macs = {"macvtap": GUEST, "macvlan": OTHER_GUEST}
    wanted = [vsi(evbd, "--link", f"vm-{kind}", "--link-kind", kind, mac=mac) for kind, mac in macs.items()]
    machine = cable.lab.namespace("machine")
    evbd.process.freeze()
    noise(cable.host)
    for kind in macs:
        cable.host.ip("link", "set", f"vm-{kind}", "netns", machine.name)
        machine.ip("link", "set", f"vm-{kind}", "up")
    evbd.process.thaw()
    eventually(lambda: told(evbd), 10, "told of the overrun")
    # The bridge may have missed their keep-alives.
    eventually(lambda: all(evbd.state(each) == "associated" for each in wanted), 20, "associated as before")
    # evbd finds out by a link that it makes in the place of what looks deleted, and that cannot be set up.
    made = lambda: [kind for kind in macs if cable.host.link(f"vm-{kind}")]     # noqa: E731
    eventually(lambda: not made(), 10, "what was made in their place is taken back")
    always(lambda: not made(), 1, "not made anew")
    assert all(evbd.state(each) == "associated" for each in wanted)
    assert all(machine.is_up(f"vm-{kind}") for kind in macs)


def test_VDP_34_the_bridge_has_missed_it_too(cable, site):
    """VDP-34 The bridge's evbd, frozen: its port left the Linux bridge and came back, and the hairpin flag with it."""
    switch, bridge, evbd = site
    wanted = vsi(evbd, mac=GUEST)
    eventually(lambda: switch.hairpin() is True, 5, "granted")
    bridge.process.freeze()
    switch.leave("port0")
    noise(cable.switch)
    switch.join("port0")
    assert switch.hairpin() is False
    bridge.process.thaw()
    eventually(lambda: switch.hairpin() is True, 20, "reflective relay is in force again")
    evbd.wait_for_state(wanted, "associated", 20)


def test_flushed_rules_come_back_though_the_news_of_it_are_lost(cable, site):
    """`nft flush ruleset` among thousands of changes to the rules: evbd's own are in force again."""
    _, _, evbd = site
    vsi(evbd, "--link", "vm0", mac=GUEST)
    rules = lambda: run(*cable.host.command("nft", "list", "ruleset")).stdout     # noqa: E731
    eventually(lambda: "evbd-guests" in rules(), 5, "the guest filter is there")
    evbd.process.freeze()
    script = "".join(f"add table inet t{number}\nadd chain inet t{number} c\nadd rule inet t{number} c counter\n" for number in range(600))
    done = subprocess.run(cable.host.command("nft", "-f", "-"), input=script, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    run(*cable.host.command("nft", "flush", "ruleset"), timeout=60)
    evbd.process.thaw()
    eventually(lambda: 'device "vm0"' in rules(), 20, "its rules are back")
