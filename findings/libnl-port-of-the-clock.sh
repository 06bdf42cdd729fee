#!/bin/bash
# libnl 3.7: whether a process's first netlink port is a positive int depends on the time of day at which it asks for it.
#
# nl_socket_get_local_port() gives a new socket the process id in the lower 22 bits, and above them a number that libnl draws from the
# wall clock. Processes that start at the same time have the same number, and at about half of all times it has its highest bit set: the
# port is 2^31 or more. A program that keeps it in an int, or takes a negative one for an error, works or fails by when it was started,
# and goes on so until it is started at another time. (libvirtd 9.0 to 12.8 sends no 802.1Qbg request then: Documentation/libvirt.md.)
# A good guess would be the process id, or a number that is positive always, or by chance each time.
# Seen 2026-11-29 with the versions below: 63 -> positive, 1022 -> negative.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/common.sh
. "${0%/*}/lib/common.sh"
packages libnl-3-200=3.7.0-0.2+b1 libfaketime=0.9.10-2.1

cat >first.py <<'P'
import ctypes, os
nl = ctypes.CDLL("libnl-3.so.200")
nl.nl_socket_alloc.restype = ctypes.c_void_p
nl.nl_socket_get_local_port.argtypes, nl.nl_socket_get_local_port.restype = [ctypes.c_void_p], ctypes.c_uint32
port = nl.nl_socket_get_local_port(nl.nl_socket_alloc())
assert port & 0x3FFFFF == os.getpid() & 0x3FFFFF
print(port >> 22, "positive" if ctypes.c_int32(port).value > 0 else "negative")
P
at() {
  env LD_LIBRARY_PATH="$libraries" LD_PRELOAD="$root/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1" TZ=UTC FAKETIME="$1" /usr/bin/python3 first.py
}
expect "port of a process that starts at midnight" "$(at '2026-01-01 00:00:00')" "63 positive"
expect "port of another one then" "$(at '2026-01-01 00:00:00')" "63 positive"
expect "port of one that starts at six" "$(at '2026-01-01 06:00:00')" "1022 negative"
negative=0
for hour in {0..23}; do for minute in 00 20 40; do
  [[ $(at "2026-01-02 $hour:$minute:00") != *negative ]] || negative=$((negative + 1))
done; done
expect "times of a day at which it is negative, of 72" "$negative" 35
