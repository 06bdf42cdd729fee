"""A site for libvirt: a switch (evbd in the bridge role) and two hosts with evbd, libvirtd and machines."""

import pytest

from . import Lab, libvirt
from .evbd import ECP, OK
from .fixtures import PORT_MAC, UPLINK_MAC, _labs
from .libvirt import VSI
from .switch import Switch

# A bridge may take 15.7 s to answer, as most do by default: longer than libvirt waits.
STATION = {"interface": "uplink0", "ecp": ECP, "vdp": {"rwd": 20, "rka": 18}}


class Site:
    """A switch and two hosts; the second one is there for migration, and begins when it is first asked for."""

    def __init__(self, lab):
        self.lab = lab
        namespaces = self.first, self.second, self.switch = [lab.namespace(name) for name in ("host", "other", "switch")]
        for namespace in namespaces[:2]:
            libvirt.numbered_apart(namespace)
        libvirt.wire(lab, (self.first, "uplink0", UPLINK_MAC), (self.switch, "port0", PORT_MAC),
                     (self.second, "uplink0", "02:00:00:00:aa:02"), (self.switch, "port1", "02:00:00:00:bb:02"))
        self.bridge = Switch(lab, self.switch, ports=("port0", "port1"), stp=True).evbd()
        self.host = self._host(self.first, "host")
        self._other = None

    def _host(self, namespace, name):
        host = libvirt.Host(self.lab, namespace, name)
        host.start_evbd(ports=[STATION])
        host.start_libvirtd()
        host.evbd.wait_for_bridge()
        return host

    @property
    def other(self):
        if not self._other:
            self._other = self._host(self.second, "other")
        return self._other

    def clear(self):
        self.bridge.ctl("port", "misbehave", "port0", "--off")
        for host in (self.host, self._other):
            if host:
                host.clear()

    def misbehave(self, *words):
        said = self.bridge.ctl("port", "misbehave", "port0", *words)
        assert said.returncode == OK, said

    def holds(self, vsi, port="port0"):
        """Whether the bridge has it associated there."""
        said = self.bridge.vsi(vsi.id)
        return said is not None and (said["port"], said["state"]) == (port, "associated")

    def knows(self, vsi):
        return self.bridge.vsi(vsi.id) is not None


@pytest.fixture(scope="module")
def whole_site():
    with Lab() as lab:
        try:
            site = Site(lab)
        except Exception:
            print(lab.logs())   # no test has this lab yet, to show the logs of
            raise
        yield site


@pytest.fixture
def site(whole_site, request):
    """The site without machines."""
    request.node.stash.setdefault(_labs, []).append(whole_site.lab)
    yield whole_site
    whole_site.clear()


@pytest.fixture
def vm(site):
    """A machine that runs, and its VSI."""
    vsi = VSI()
    site.host.start("vm", vsi)
    return vsi


def requests(host):
    """How many requests and polls evbd has had of libvirt."""
    counters = host.evbd.ctl_json("stats", "uplink0")[0]["counters"]
    return counters["LibvirtRequests"], counters["LibvirtPolls"]
