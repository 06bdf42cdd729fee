#!/usr/bin/python3
"""listen.py INTERFACE: prints a line for each frame of LLDP and ECP that is heard or sent on an interface, until it is ended.

Stands in the labs' examples where a tester's own station or bridge belongs.
"""

import socket
import sys

PROTOCOLS = {0x88CC: "LLDP", 0x8940: "ECP", 0x88B7: "ECP of the draft"}
ETH_P_ALL = 0x0003


def main(interface):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as ear:
        ear.bind((interface, ETH_P_ALL))
        # Frames to group addresses that are not the interface's own come only so (PACKET_MR_ALLMULTI).
        index = socket.if_nametoindex(interface)
        ear.setsockopt(263, 1, index.to_bytes(4, sys.byteorder) + (2).to_bytes(2, sys.byteorder) + bytes(10))
        print(f"listening on {interface}", flush=True)
        while True:
            frame, address = ear.recvfrom(65536)
            protocol = PROTOCOLS.get(int.from_bytes(frame[12:14], "big"))
            if protocol:
                way = "to" if address[2] == socket.PACKET_OUTGOING else "from"
                peer = frame[:6] if way == "to" else frame[6:12]
                print(f"{protocol} {way} {peer.hex(':')}, {len(frame)} octets", flush=True)


main(*sys.argv[1:])
