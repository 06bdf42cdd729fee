"""For shell scripts (Packaging/demo): python3 -m lab COMMAND

unpack                                        downloads and unpacks lldpad, prints where
lldpad-bridge NAMESPACE INTERFACE DIRECTORY   becomes an lldpad in the bridge role (same process id), its state in DIRECTORY
vsis PID INTERFACE                            one VSIID a line: what the daemon PID, in the caller's namespace, holds on INTERFACE
"""

import os
import sys
from pathlib import Path

from . import lldpad, netlink


def main(words):
    match words:
        case ["unpack"]:
            print(lldpad.unpacked())
        case ["lldpad-bridge", namespace, interface, directory]:
            Path(directory, "lldpad.conf").write_text(lldpad.configuration(interface, lldpad.settings("bridge")))
            argv, environment = lldpad.command(namespace, directory)
            os.execvpe(argv[0], argv, {**os.environ, **environment})
        case ["vsis", pid, interface]:
            for entry in netlink.vsis(None, int(pid), interface):
                print(entry.uuid)
        case _:
            print(__doc__, file=sys.stderr)
            return 64
    return 0


sys.exit(main(sys.argv[1:]))
