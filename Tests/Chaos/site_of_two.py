"""evbd as the station and evbd as the bridge, with VSIs between them that nothing may cost."""

from lab import eventually
from lab.pair import requests
from lab.switch import Switch
from lab.varlink import Control, Events


class Site:
    """evbd on both ends of a cable, VSIs associated, and what it costs each of them to bear the other end."""

    def __init__(self, cable, count=50, dialect="auto"):
        # What is tried speaks in the station's name from the station's own host, where the guest filter would drop it.
        self.cable, self.count = cable, count
        for namespace, interface in ((cable.host, "uplink0"), (cable.switch, "port0")):
            namespace.ip("link", "set", interface, "mtu", "9000")
        self.bridge = Switch(cable.lab, cable.switch).evbd(ports=[{"interface": "port0", "dialect": dialect}], log={"level": "info"})
        self.evbd = cable.evbd(ports=[{"interface": "uplink0", "dialect": dialect, "guest-filter": False}], log={"level": "info"}).wait_for_bridge()
        wanted = requests(count)
        self.known, self._wanted = [each["vsiID"] for each in wanted], wanted
        control = Control(self.evbd.socket)
        control.call_all("Associate", wanted)
        control.close()
        eventually(self.all_are_associated, 20, "all are associated")
        self.events = [Events(cable.lab, daemon.socket) for daemon in (self.evbd, self.bridge)]

    def all_are_associated(self):
        """All that are known, at both ends."""
        return all(all(held.get(each, {}).get("state") == "associated" for each in self.known) for held in (self.evbd.vsis(), self.bridge.vsis()))

    def not_associated(self):
        """What stands otherwise, for a message: the VSI, and its state and reason at the station and at the bridge."""
        ends = [daemon.vsis() for daemon in (self.evbd, self.bridge)]
        told = {each: [f"{held[each]['state']} {held[each]['reason']}" if each in held else "unknown" for held in ends] for each in self.known}
        return {each: states for each, states in told.items() if not all(state.startswith("associated ") for state in states)}

    def ask_again(self):
        """Asks for what a forged refusal has ended for good, each of which says so; how many these were."""
        shown = self.evbd.vsis()
        refused = [each for each in self._wanted if shown[each["vsiID"]]["reason"] == "insufficient-resources"]
        control = Control(self.evbd.socket)
        control.call_all("Associate", refused)
        control.close()
        return len(refused)

    def losses(self):
        return [change for events in self.events for change in events.vsi_changes()
                if change[2] == "associated" and change[1] in self.known]
