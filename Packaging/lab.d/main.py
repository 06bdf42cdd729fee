"""The commands of Packaging/lab, which has their words."""

import os
import signal
import sys
import time
from pathlib import Path

import description
import namespaces
from building import Lab
from namespaces import Failure

USAGE, INTERRUPTED, TERMINATED = 64, 130, 143


class Misuse(Exception):
    """A command line that cannot be meant."""


class Ended(BaseException):
    """A signal wants an end."""

    def __init__(self, number):
        self.status = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}.get(number, TERMINATED)


def end_by_signals():
    def end(number, _):
        # A second one must not interrupt the taking down.
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        raise Ended(number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


def options(words, valued=(), flags=()):
    """(what is no option, option -> value)."""
    plain, found, words = [], {}, list(words)
    while words:
        word = words.pop(0)
        name, joined, value = word.partition("=")
        if name in valued:
            if not joined and not words:
                raise Misuse(f"{name} needs a value")
            found[name] = value if joined else words.pop(0)
        elif word in flags:
            found[word] = True
        elif word.startswith("-"):
            raise Misuse(f"there is no option {word}")
        else:
            plain.append(word)
    return plain, found


def up(*words):
    plain, found = options(words, ("--name", "--wait", "--nodes"), ("--lay-only",))
    if len(plain) != 1:
        raise Misuse("up takes one file")
    patience = found.get("--wait", "15")
    if not patience.isdecimal() or int(patience) > 3600:
        raise Misuse("--wait takes 0 to 3600 seconds")
    file = Path(plain[0])
    try:
        described = description.read(file, file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}; examples are in Packaging/labs") from None
    if "--nodes" in found:
        described = description.only(described, found["--nodes"].split(","))
    name = found.get("--name", described["name"])
    if not description.NAME.fullmatch(name):
        raise Misuse(f"--name: {name} is no name; give 1 to 32 small letters, digits and dashes")
    # A type's file is named from where the lab's file is.
    for settings in (*described["switches"].values(), *described["hosts"].values()):
        types = settings.get("port", {}).get("vsi-types")
        if isinstance(types, str) and "://" not in types:
            settings["port"]["vsi-types"] = str((file.parent / types).resolve())
    lab = Lab(name)
    end_by_signals()
    lab.begin(file.resolve(), described, os.environ.get("EVBD_BIN_DIR", ""))
    try:
        lab.lay()
        if "--lay-only" in found:
            return 0
        lab.start()
        lab.associate()
        wait_for(lab, int(patience))
    except BaseException as error:
        if isinstance(error, Failure):
            lab.fail_logs()
        lab.down()
        raise
    show(lab)
    print(f"The lab is up. Commands in it: Packaging/lab exec {name} NODE COMMAND...; to remove it: Packaging/lab down {name}")
    return 0


def wait_for(lab, seconds):
    """Until every machine that is to be associated is; a switch that misbehaves may never grant it."""
    deadline = time.monotonic() + seconds
    wanted = [node for node, machine in lab.state["lab"]["machines"].items() if machine["associate"]]
    while time.monotonic() < deadline:
        states = lab.vsi_states()
        if all(states[node] == "associated" for node in wanted):
            return
        time.sleep(0.1)


def down(*words):
    plain, found = options(words, flags=("--all",))
    if bool(plain) == bool(found):
        raise Misuse("down takes the names of labs, or --all")
    for lab in [Lab.named(name) for name in plain] if plain else Lab.up():
        lab.down()
        print(f"lab {lab.name} is gone")
    return 0


def listing(*words):
    if words:
        raise Misuse("list takes no words")
    for lab in Lab.up():
        described = lab.state["lab"]
        nodes = " ".join(node for kind in ("switches", "hosts", "machines") for node in described.get(kind, {}))
        print(f"{lab.name}: {nodes} ({lab.state['file']})")
    return 0


def status(*words):
    if len(words) != 1:
        raise Misuse("status takes the name of a lab")
    show(Lab.named(words[0]))
    return 0


def show(lab):
    described = lab.state["lab"]
    rows = []
    for kind, word in (("switches", "switch"), ("hosts", "host")):
        for node in described.get(kind, {}):
            program = "evbd" if lab.has_evbd(node) else "command"
            state = "not started" if node not in lab.state["processes"] else "runs" if lab.is_running(node) else "has ended"
            rows.append((node, word, f"{program} {state}", str(lab.log(node))))
    states = lab.vsi_states()
    for node, machine in described.get("machines", {}).items():
        rows.append((node, "machine", f"on {machine['host']}: {states[node] or 'not associated by evbd'}", str(lab.log(node))))
    widths = [max(map(len, column)) for column in zip(*rows)] if rows else []
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())
    for link in described.get("links", []):
        lost = "; ".join(f"loses {percent:g} % of {link['of']} towards {node}" for node, percent in link["loss"].items() if percent)
        print(f"{':'.join(link['ends'][0])} -- {':'.join(link['ends'][1])}" + (f"   {lost}" if lost else ""))


def execute(*words):
    if len(words) < 3:
        raise Misuse("exec takes the name of a lab, a node and a command")
    name, node, *command = words
    lab = Lab.named(name)
    lab.settings(node)
    command = ["ip", "netns", "exec", lab.namespace(node), *command]
    os.execvpe(command[0], command, lab.environment(node))


def restart(*words):
    if len(words) != 2:
        raise Misuse("restart takes the name of a lab and a host or a switch")
    Lab.named(words[0]).restart(words[1])
    print(f"{words[1]} of lab {words[0]} has been restarted")
    return 0


def main(command, *words):
    commands = {"up": up, "down": down, "list": listing, "status": status, "exec": execute, "restart": restart}
    try:
        return commands[command](*words)
    except Misuse as error:
        print(f"lab: {error}; see Packaging/lab --help", file=sys.stderr)
        return USAGE
    except (Failure, description.Mistake) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except Ended as ended:
        print("lab: interrupted", file=sys.stderr)
        return ended.status


sys.exit(main(*sys.argv[1:]))
