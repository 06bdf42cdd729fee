#!/bin/bash
# libnftables 1.0.6: words of a failure that nobody fetched stand before those of the next one.
#
# With nft_ctx_buffer_error() the library gathers what a command says of its failure. A next command does not begin with an empty buffer:
# only nft_ctx_get_error_buffer() empties it. A program that does not ask after a command whose failure it expects (a delete of what may be
# gone) finds the reason of that one at the head of the next failure's, where it looks for the first line; also where a command between
# the two went well.
# What to do: fetch the buffer behind each command, wanted or not. Seen 2026-11-29 on Linux 6.18.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/common.sh
. "${0%/*}/lib/common.sh"
packages libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2

cat >unread.py <<'P'
import ctypes, sys
library, pointer = ctypes.CDLL("libnftables.so.1"), ctypes.c_void_p
library.nft_ctx_new.restype = pointer
library.nft_ctx_buffer_error.argtypes = library.nft_ctx_buffer_output.argtypes = library.nft_ctx_get_error_buffer.argtypes = [pointer]
library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
library.nft_run_cmd_from_buffer.argtypes = [pointer, ctypes.c_char_p]
context = library.nft_ctx_new(0)
library.nft_ctx_buffer_error(context), library.nft_ctx_buffer_output(context)
run = lambda commands: library.nft_run_cmd_from_buffer(context, commands)
assert run(b"delete table inet gone") != 0
if sys.argv[1] == "fetched":
    library.nft_ctx_get_error_buffer(context)
assert run(b"add table inet here") == 0
assert run(b"add chain inet here") != 0
told = [line for line in library.nft_ctx_get_error_buffer(context).decode().splitlines() if line.startswith("Error")]
print(f"{len(told)} told; the newest is number {1 + next(at for at, line in enumerate(told) if 'syntax error' in line)}")
assert run(b"delete table inet here") == 0
P
cable
said() { ip netns exec "$here" env LD_LIBRARY_PATH="$libraries" /usr/bin/python3 unread.py "$1"; }
expect "failures told, where the first was fetched" "$(said fetched)" "1 told; the newest is number 1"
expect "failures told, where the first was not" "$(said unread)" "2 told; the newest is number 2"
