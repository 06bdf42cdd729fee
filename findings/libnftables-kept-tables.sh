#!/bin/bash
# libnftables 1.0.6: a context keeps half a megabyte for each table of the ruleset, however small, from one command to the next.
#
# A command that changes a chain has the ruleset's tables read. For each of them the library allocates four hash tables of 8,192 list
# heads, 128 KiB each, all of it written; a context has one of its own besides. They stay until another command is run that has the
# ruleset read again, which after each change of it, also one of its own, the next command does. A list of a table that is not there reads
# no other, and so makes the context small again. A program that runs a command now and then, as a daemon does, holds 0.5 MiB for each
# table of whoever has rules in its namespace.
# What to do: free the context behind a command, or run a list of a table that is never there. Seen 2026-11-29 on Linux 6.18.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/common.sh
. "${0%/*}/lib/common.sh"
packages libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2

cat >kept.py <<'P'
import ctypes, sys
library, libc = ctypes.CDLL("libnftables.so.1"), ctypes.CDLL(None)
pointer = ctypes.c_void_p
library.nft_ctx_new.restype = pointer
for call in (library.nft_ctx_buffer_error, library.nft_ctx_buffer_output):
    call.argtypes = [pointer]
library.nft_run_cmd_from_buffer.argtypes = [pointer, ctypes.c_char_p]

class Allocated(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]
libc.mallinfo2.restype = Allocated
# Blocks of 128 KiB and more have pages of their own, and are counted apart (M_MMAP_THRESHOLD).
libc.mallopt(-3, 128 << 10)
without = libc.mallinfo2().hblks
blocks = lambda: libc.mallinfo2().hblks - without

context = library.nft_ctx_new(0)
library.nft_ctx_buffer_error(context), library.nft_ctx_buffer_output(context)
seen = [blocks()]
for number in range(1, 4):
    commands = f"add table inet t{number}\nadd chain inet t{number} c"
    assert library.nft_run_cmd_from_buffer(context, commands.encode()) == 0
    seen.append(blocks())
assert library.nft_run_cmd_from_buffer(context, b"list table inet none") != 0
seen.append(blocks())
print(*seen)
P
cable
expect "blocks of 128 KiB: a context, with one, two and three tables, and behind a list of none" \
  "$(ip netns exec "$here" env LD_LIBRARY_PATH="$libraries" /usr/bin/python3 kept.py)" "1 5 9 13 1"
