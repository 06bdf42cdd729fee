"""confine.py RULES COMMAND...: runs a command under a seccomp filter, by libseccomp. Stands alone, since it runs with little power.

RULES is a JSON file that lab/service.py writes: `allow` and `families`. What the filter does not allow ends the process, while systemd's
would be told EPERM: so a test sees a call that was denied, whatever the program makes of an error.
"""

import ctypes
import errno
import json
import os
import sys

KILL_PROCESS, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
EQUAL, MASKED_EQUAL = 4, 7
PROT_WRITE, PROT_EXEC = 2, 4
NEW_NAMESPACES = 0x7E020080
SET_ID_BITS = 0o6000
# Where the mode is, for RestrictSUIDSGID.
MODES = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "mkdir": 1, "mkdirat": 2, "creat": 1}
# Denied as a whole where systemd looks at arguments or gives ENOSYS: namespaces, personalities, executable shared memory.
NEVER = {"unshare", "setns", "personality", "shmat", "pkey_mprotect", "fchmodat2", "io_uring_setup"}


class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int), ("first", ctypes.c_uint64), ("second", ctypes.c_uint64)]


def masked(argument, mask, value=0):
    return Comparison(argument, MASKED_EQUAL, mask, value)


def conditions(name, families):
    """Each of them suffices for the call."""
    if name == "socket":
        return [[Comparison(0, EQUAL, family, 0)] for family in families]
    if name == "mmap":      # MemoryDenyWriteExecute: one or the other
        return [[masked(2, PROT_WRITE | PROT_EXEC, value)] for value in (0, PROT_WRITE, PROT_EXEC)]
    if name == "mprotect":
        return [[masked(2, PROT_EXEC)]]
    if name == "clone":
        return [[masked(0, NEW_NAMESPACES)]]
    if name in MODES:
        return [[masked(MODES[name], SET_ID_BITS)]]
    return [[]]


def load(rules):
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    context = library.seccomp_init(KILL_PROCESS)

    def add(action, number, comparisons):
        array = (Comparison * len(comparisons))(*comparisons)
        code = library.seccomp_rule_add_array(context, action, number, len(comparisons), array)
        assert code == 0, f"seccomp_rule_add {number}: {os.strerror(-code)}"

    for name in set(rules["allow"]) - NEVER - {"clone3"}:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:      # another architecture's, or newer than the library
            continue
        for comparisons in conditions(name, rules["families"]):
            add(ALLOW, number, comparisons)
    # Its flags are out of a filter's sight; libc then takes clone.
    add(ERRNO | errno.ENOSYS, library.seccomp_syscall_resolve_name(b"clone3"), [])
    code = library.seccomp_load(context)
    assert code == 0, f"seccomp_load: {os.strerror(-code)}"


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        load(json.load(file))
    os.execv(sys.argv[2], sys.argv[2:])
