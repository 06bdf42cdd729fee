"""evbd on both ends of a cable, ended and begun again."""

import signal
import uuid

from .codec import DEASSOCIATE
from .switch import Switch
from .varlink import Control, Events


def end(evbd, how):
    """Ends the daemon, and waits until it has."""
    evbd.process.signal(signal.SIGKILL if how == "kill" else signal.SIGTERM)
    evbd.process.wait(10)


def requests(count, start=1, **more):
    return [{"vsiID": str(uuid.uuid4()), "port": "uplink0", "typeID": 1,
             "filters": [{"mac": f"52:54:01:00:{number >> 8:02x}:{number & 255:02x}", "vlan": 0}], **more}
            for number in range(start, start + count)]


class Pair:
    """evbd as the station and evbd as the bridge, and all that passes between them."""

    def __init__(self, cable, **station):
        self.cable = cable
        self.switch = Switch(cable.lab, cable.switch)
        self.bridge = self.switch.evbd()
        self.evbd = cable.evbd(**station).wait_for_bridge()
        self.wire = cable.wire()
        self.released = Events(cable.lab, self.bridge.socket)

    def control(self):
        control = Control(self.evbd.socket)
        self.cable.lab.at_end(control.close)
        return control

    def restart(self, how):
        end(self.evbd, how)
        self.evbd.start()

    def held(self):
        """What the bridge holds."""
        return {vsi for vsi, shown in self.bridge.vsis().items() if shown["state"] == "associated"}

    def sequences(self):
        """The numbers of the station's ECPDUs, in their order."""
        return [frame.ecp.sequence for frame in self.wire.received() if frame.ecp and not frame.ecp.acknowledge]

    def goodbyes(self):
        return [frame for frame in self.wire.received() if frame.lldp and frame.lldp.ttl == 0]

    def deassociations(self):
        return [vsi for frame in self.wire.received() if frame.vdp for vsi in frame.vdp.vsis if vsi.command == DEASSOCIATE]
