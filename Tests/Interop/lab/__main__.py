"""For shell scripts (Tests/run): python3 -m lab unpack

Downloads and unpacks lldpad, Prometheus and Open vSwitch, and prints where.
"""

import sys

from . import lldpad, openvswitch, prometheus


def main(words):
    match words:
        case ["unpack"]:
            print(lldpad.unpacked(), prometheus.tool(), openvswitch.root())
        case _:
            print(__doc__, file=sys.stderr)
            return 64
    return 0


sys.exit(main(sys.argv[1:]))
