"""One thread of a process held still while the others run on: what it would do happens when the test says so."""

import contextlib
import ctypes
import os
from pathlib import Path

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request, thread):
    if _libc.ptrace(request, thread, None, None) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace request {request:#x}, thread {thread}")


def thread_named(pid, name):
    """The id of the one thread with this name."""
    thread, = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir() if (task / "comm").read_text().strip() == name]
    return thread


@contextlib.contextmanager
def frozen_thread(pid, name):
    """Inside, the thread stands still. To be left by the Python thread that entered it: the kernel lets no other let go."""
    thread = thread_named(pid, name)
    _ptrace(PTRACE_SEIZE, thread)
    _ptrace(PTRACE_INTERRUPT, thread)
    os.waitpid(thread, 0x40000000)      # __WALL: threads count too
    try:
        yield
    finally:
        try:
            _ptrace(PTRACE_DETACH, thread)
        except ProcessLookupError:      # killed meanwhile: its process is not over before its tracer knows
            os.waitpid(thread, 0x40000000)
