"""A cable that loses frames: dropped at random on arrival, by the kernel's own packet filter, unseen by sender and receiver.

The hook at ingress is the right one: a drop at egress comes back to the sender as an error. Sockets of one EtherType, such as evbd's
and lldpad's, are behind it. A lab.Wire is not: it sees also what is then lost.
"""

import subprocess


class Loss:
    """Loses the given percentage of the frames, or of those that match, that arrive at each of the (namespace, interface) ends."""

    def __init__(self, percent, *ends, match=""):
        self._ends, self._match = ends, match
        for namespace, interface in ends:
            self._nft(namespace, f"""table netdev loss {{
                chain arrival {{ type filter hook ingress device "{interface}" priority 0; }}
            }}""")
        self.set(percent)

    def set(self, percent):
        """Another percentage from now on; 0 loses nothing."""
        chance = "" if percent >= 100 else f"numgen random mod 1000 < {round(percent * 10)}"
        rule = f"add rule netdev loss arrival {self._match} {chance} counter drop\n" if percent else ""
        for namespace, _ in self._ends:
            self._nft(namespace, f"flush chain netdev loss arrival\n{rule}add rule netdev loss arrival counter\n")

    def counts(self):
        """(lost, passed), both directions together, since the last set()."""
        lost = passed = 0
        for namespace, _ in self._ends:
            for line in self._nft(namespace, "list chain netdev loss arrival\n").splitlines():
                words = line.split()
                if "packets" in words:
                    count = int(words[words.index("packets") + 1])
                    lost, passed = (lost + count, passed) if words[-1] == "drop" else (lost, passed + count)
        return lost, passed

    def end(self):
        """Takes the filter away; an interface that is gone has taken it along."""
        for namespace, _ in self._ends:
            self._nft(namespace, "add table netdev loss\ndelete table netdev loss\n")

    @staticmethod
    def _nft(namespace, script):
        result = subprocess.run(namespace.command("nft", "-f", "-"), input=script, capture_output=True, text=True, timeout=30)
        if result.returncode:
            raise RuntimeError(f"nft: {result.stderr}")
        return result.stdout
