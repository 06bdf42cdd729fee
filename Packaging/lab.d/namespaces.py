"""Network namespaces, the processes in them, and how both go again."""

import os
import signal
import subprocess
import time
from pathlib import Path


class Failure(Exception):
    """What failed, where and why, and what to do."""


def run(*words, text=None):
    """Runs a command to its end. :raise Failure: with what it said, unless it succeeds."""
    said = subprocess.run(words, input=text, stdin=subprocess.DEVNULL if text is None else None, capture_output=True, text=True)
    if said.returncode:
        raise Failure(f"{' '.join(words)}: {(said.stderr or said.stdout).strip() or f'status {said.returncode}'}")
    return said.stdout


def exists(namespace):
    return Path("/run/netns", namespace).exists()


def add(namespace):
    """Makes a namespace with lo up that sends nothing by itself."""
    run("ip", "netns", "add", namespace)
    run("ip", "-n", namespace, "link", "set", "lo", "up")
    # What is made later takes default; lo has its own.
    run("ip", "netns", "exec", namespace, "sh", "-c", 'for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do [ ! -e "$f" ] || echo 1 >"$f"; done')


def began(process):
    """When a process began, in ticks since the boot: with its number that names it for good. None where there is none."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    # What has ended and is yet to be waited for runs no more, once its other threads have let go of its sockets too.
    if fields[0] == "Z" and threads(process) <= 1:
        return None
    return int(fields[19])


def threads(process):
    try:
        return len(os.listdir(f"/proc/{process}/task"))
    except OSError:
        return 0


def is_running(process):
    """Whether that very process runs, and not a later one of its number."""
    return process is not None and began(process["pid"]) == process["began"]


def start(namespace, words, log, environment, descriptors=()):
    """Starts a program in a namespace and in a session of its own; its output is appended to the log."""
    with open(log, "ab") as output:
        child = subprocess.Popen(
            ["ip", "netns", "exec", namespace, *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment,
            start_new_session=True, pass_fds=descriptors)
    return {"pid": child.pid, "began": began(child.pid)}


def kill(process):
    """Ends a program that was started, and what is in its session, at once."""
    if is_running(process):
        os.killpg(process["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while is_running(process):
        if time.monotonic() > deadline:
            raise Failure(f"process {process['pid']} does not end: look what holds it (cat /proc/{process['pid']}/stack)")
        time.sleep(0.02)


def members(namespace):
    if not exists(namespace):
        return []
    said = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True)
    return [int(word) for word in said.stdout.split()]


def end(namespace, processes=()):
    """Ends everything in a namespace, and these programs of it wherever they went: kindly, then by force. Then the namespace goes."""
    deadline, asked = time.monotonic() + 5, set()
    while True:
        left = set(members(namespace)) | {process["pid"] for process in processes if is_running(process)}
        if not left:
            break
        late = time.monotonic() > deadline
        if time.monotonic() > deadline + 5:
            raise Failure(f"processes of {namespace} do not end: {sorted(left)}; look what holds them, and run down again")
        for process in left if late else left - asked:
            try:
                os.kill(process, signal.SIGKILL if late else signal.SIGTERM)
            except ProcessLookupError:
                pass
        asked |= left
        # A program that was started here leaves a zombie until it is waited for.
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        time.sleep(0.02)
    if exists(namespace):
        run("ip", "netns", "delete", namespace)
