"""Debian's FRR (zebra and bgpd), from its packages but never installed: one box of an EVPN fabric in a namespace."""

import json
import socket

from . import packages
from .system import eventually

# With the libraries that a bare system may lack.
PACKAGES = ("frr", "libyang2", "libc-ares2", "libcap2", "libjson-c5", "libreadline8")

# The daemons change to users of their own and keep sockets in /run/frr, which they have in a mount namespace alone.
_ENTER = """
run=$1 && shift && mount --make-rprivate / && cp /etc/passwd /etc/group "$run" &&
echo 'frr:x:64998:64998::/:/bin/false' >>"$run/passwd" && printf 'frr:x:64998:\\nfrrvty:x:64997:frr\\n' >>"$run/group" &&
mount --bind "$run/passwd" /etc/passwd && mount --bind "$run/group" /etc/group &&
mount -t tmpfs none /run && mkdir /run/frr && mount --bind "$run" /run/frr && chown -R frr:frr /run/frr && exec "$@"
"""

_BGP = """
router bgp 65000
 bgp router-id {address}
 no bgp default ipv4-unicast
 neighbor {peer} remote-as 65000
 neighbor {peer} timers 3 9
 neighbor {peer} timers connect 1
 address-family l2vpn evpn
  neighbor {peer} activate
  advertise-all-vni
 exit-address-family
"""


class Frr:
    """zebra and bgpd of one box: iBGP with a peer, and every VXLAN device is announced."""

    def __init__(self, lab, namespace, name, address, peer):
        root = packages.unpacked("frr", PACKAGES)
        libraries = sorted({str(path.parent) for path in root.glob("**/*.so.*")})
        self._directory = lab.directory / f"{name}-frr"
        self._directory.mkdir()
        self._processes = {}
        for daemon, configuration in (("zebra", ""), ("bgpd", _BGP.format(address=address, peer=peer))):
            (self._directory / f"{daemon}.conf").write_text(f"hostname {name}\n{configuration}")
            process = lab.start(f"{name}-{daemon}", namespace.command(
                "unshare", "--mount", "sh", "-c", _ENTER, name, self._directory, "env", f"LD_LIBRARY_PATH={':'.join(libraries)}",
                root / "usr/lib/frr" / daemon, "-A", "127.0.0.1", "-u", "frr", "-g", "frr", "-i", f"/run/frr/{daemon}.pid",
                "-f", f"/run/frr/{daemon}.conf", "--log", "stdout"))
            self._processes[daemon] = process
            eventually(lambda: self._answers(daemon, process), 15, f"{daemon} answers\n{process.tail()}")

    def _answers(self, daemon, process):
        assert process.alive, process.tail()
        try:
            return "FRRouting" in self.ask(daemon, "show version")
        except OSError:
            return False

    def ask(self, daemon, command):
        """What a daemon says to a command, by its vty socket: a command ends with NUL, an answer with three and a status."""
        with socket.socket(socket.AF_UNIX) as vty:
            vty.settimeout(5)
            vty.connect(str(self._directory / f"{daemon}.vty"))
            for words in ("enable", command):
                vty.sendall(words.encode() + b"\0")
                said = b""
                while not said[-4:-1] == b"\0\0\0":
                    part = vty.recv(65536)
                    if not part:
                        raise ConnectionResetError(daemon)
                    said += part
        return said[:-4].decode(errors="replace")

    def kill(self, daemon):
        """Kills a daemon, and whatever else of it runs."""
        self._processes[daemon].kill()

    def peers(self):
        """The peers with which routes are exchanged."""
        said = json.loads(self.ask("bgpd", "show bgp l2vpn evpn summary json") or "{}")
        return [peer for peer, state in said.get("peers", {}).items() if state["state"] == "Established"]

    def mac(self, vni, mac):
        """What zebra knows of an address: `type` is local or remote; empty where it knows none."""
        said = self.ask("zebra", f"show evpn mac vni {vni} mac {mac} json")
        known = json.loads(said) if said.strip().startswith("{") else {}
        return known.get(mac, known)
