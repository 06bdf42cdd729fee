"""What a lab's file says. Every mistake is told with its file and line, its key, and what is allowed there."""

import ipaddress
import re
import uuid

import yaml

# With the node's name and a dash it names a network namespace.
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
# IFNAMSIZ less the zero at the end.
INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
# What a link may lose alone: the protocols of EVB.
LOSABLE = {"all": "", "lldp": "ether type 0x88cc", "ecp": "ether type { 0x8940, 0x88b7 }"}
VSI_NAMESPACE = uuid.UUID("6f0c1cbe-5a0f-5f0e-9d52-6e1c3d1f2a10")


class Mistake(Exception):
    """The file cannot be used; the text says where, why, and what would do."""


class Value:
    """A node of the YAML file, with the place at which it stands."""

    def __init__(self, file, node, path):
        self.file, self.node, self.path = file, node, path

    def mistake(self, text):
        return Mistake(f"{self.file}:{self.node.start_mark.line + 1}: {self.path or 'the file'}: {text}")

    def items(self, allowed=None, required=()):
        """Key -> Value of a map with these keys at most; None allows any name of a node."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.mistake("has to be a map" + (f" with the keys {', '.join(allowed)}" if allowed else " from names to their settings"))
        found = {}
        for key, node in self.node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            here = Value(self.file, key, f"{self.path}.{name}" if self.path else name)
            if allowed is not None and name not in allowed:
                raise here.mistake(f"there is no such key; allowed here: {', '.join(allowed)}")
            if allowed is None and not NAME.fullmatch(name):
                raise here.mistake("no name; a name has 1 to 32 small letters, digits and dashes")
            if name in found:
                raise here.mistake("is given twice")
            found[name] = Value(self.file, node, here.path)
        for name in required:
            if name not in found:
                raise self.mistake(f"the key {name} is missing")
        return found

    def list(self):
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.mistake("has to be a list")
        return [Value(self.file, node, f"{self.path}[{number}]") for number, node in enumerate(self.node.value)]

    def plain(self):
        try:
            return yaml.SafeLoader("").construct_object(self.node, deep=True)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise self.mistake(f"is no value that YAML knows: {getattr(error, 'problem', None) or error}") from None

    def text(self, pattern=None, words="a text"):
        if not isinstance(self.node, yaml.ScalarNode) or not self.node.value or pattern and not pattern.fullmatch(self.node.value):
            raise self.mistake(f"has to be {words}")
        return self.node.value

    def choice(self, choices):
        value = self.text(words=f"one of {', '.join(choices)}")
        if value not in choices:
            raise self.mistake(f"has to be one of {', '.join(choices)}")
        return value

    def flag(self):
        value = self.plain() if isinstance(self.node, yaml.ScalarNode) else None
        if not isinstance(value, bool):
            raise self.mistake("has to be true or false")
        return value

    def number(self, low, high, whole=True):
        value = self.plain() if isinstance(self.node, yaml.ScalarNode) else None
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not low <= value <= high:
            raise self.mistake(f"has to be a {'whole ' if whole else ''}number from {low} to {high}")
        return value


def read(file, text):
    """The file as plain maps and lists, checked.

    :return: a map with name, hosts, switches, links and machines.
    :raise Mistake: for the first mistake.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Mistake(f"{file}:{line}: this is no YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise Mistake(f"{file}:1: this is no YAML: {error}") from None
    if node is None:
        raise Mistake(f"{file}:1: the file is empty; it needs the keys name, hosts, switches and links")
    keys = Value(file, node, "").items(("name", "hosts", "switches", "links", "machines"), required=("name",))
    lab = {"name": keys["name"].text(NAME, "1 to 32 small letters, digits and dashes"), "hosts": {}, "switches": {}, "links": [], "machines": {}}
    taken = {}
    for kind, reader in (("hosts", host), ("switches", switch), ("machines", machine)):
        for name, value in (keys[kind].items() if kind in keys else {}).items():
            if name in taken:
                raise value.mistake(f"the name is taken already, in {taken[name]}")
            taken[name] = kind
            lab[kind][name] = reader(value, name, lab)
    if not lab["hosts"] and not lab["switches"]:
        raise Value(file, node, "").mistake("there is neither a host nor a switch; give some under hosts or switches")
    ends = {}
    for value in keys["links"].list() if "links" in keys else []:
        lab["links"].append(link(value, lab, ends))
    for name, settings in lab["machines"].items():
        if not interfaces(lab, settings["host"]):
            raise keys["machines"].items()[name].mistake(f"its host {settings['host']} has no link; give it one under links")
    return lab


def interfaces(lab, node):
    """A node's interfaces on links of the file, in their order."""
    return [interface for link in lab["links"] for owner, interface in link["ends"] if owner == node]


def programs(value, keys):
    if "command" in keys and ("port" in keys or "misbehave" in keys):
        raise value.mistake("command stands for a program of your own, and port and misbehave are evbd's: give one or the other")
    settings = {"command": keys["command"].text(words="a command line for sh")} if "command" in keys else {"port": {}}
    if "port" in keys:
        keys["port"].items(PORT_KEYS)
        settings["port"] = keys["port"].plain()
    return settings


# evbd checks their values itself.
PORT_KEYS = (
    "dialect", "edge-relay", "fallback", "gate", "guest-filter", "announce", "allmulticast", "group-ids", "nvo3", "group-address",
    "peer-address", "evb", "ecp", "vdp", "manager-id-placement", "s-channels", "reflective-relay", "vsi-types", "protected-macs")


def host(value, name, lab):
    return programs(value, value.items(("port", "command")))


def switch(value, name, lab):
    keys = value.items(("port", "misbehave", "command"))
    settings = programs(value, keys)
    if "misbehave" in keys:
        keys["misbehave"].items(("refuse", "delay", "silent", "drop-acks", "vlan", "deassociate-every"))
        settings["port"]["misbehave"] = keys["misbehave"].plain()
    return settings


def machine(value, name, lab):
    keys = value.items(("host", "mac", "vsi", "manager", "type", "type-version", "vlan", "address", "associate"), required=("host", "mac"))
    if not INTERFACE.fullmatch(name):
        raise value.mistake("the name is a link's too, and has at most 15 characters")
    home = keys["host"].text()
    if home not in lab["hosts"]:
        raise keys["host"].mistake(f"there is no host {home}; there are: {', '.join(lab['hosts']) or 'none'}")
    settings = {"host": home, "mac": keys["mac"].text(MAC, "a MAC address such as 52:54:00:00:00:01").lower()}
    if int(settings["mac"][:2], 16) & 1:
        raise keys["mac"].mistake("is a group address; a machine's address has an even first octet")
    settings["vsi"] = str(uuid.uuid5(VSI_NAMESPACE, settings["mac"]))
    if "vsi" in keys:
        try:
            settings["vsi"] = str(uuid.UUID(keys["vsi"].text()))
        except ValueError:
            raise keys["vsi"].mistake("has to be a UUID; left out, one is made from the MAC address") from None
    for key, high, default in (("manager", 255, None), ("type", 0xFFFFFF, None), ("type-version", 255, 0), ("vlan", 4094, None)):
        settings[key] = keys[key].number(0, high) if key in keys else default
    settings["address"] = None
    if "address" in keys:
        try:
            settings["address"] = str(ipaddress.IPv4Interface(keys["address"].text()))
        except ValueError:
            raise keys["address"].mistake("has to be an IPv4 address with its prefix, such as 192.0.2.1/24") from None
    # Where another program is the station, that associates.
    own = "command" in lab["hosts"][home]
    settings["associate"] = keys["associate"].flag() if "associate" in keys else not own
    if own and settings["associate"]:
        raise keys["associate"].mistake(f"{home} has a command of its own, which has to associate the machine itself: leave the key out")
    if settings["associate"] and settings["type"] is None:
        raise value.mistake("the key type is missing: the VSI type ID, 0 to 16777215; with associate: false none is needed")
    return settings


def link(value, lab, taken):
    keys = value.items(("ends", "loss", "of"), required=("ends",))
    ends = []
    for end in keys["ends"].list():
        node, _, interface = end.text().partition(":")
        known = [*lab["hosts"], *lab["switches"]]
        if node not in known:
            raise end.mistake(f"there is no host or switch {node}; there are: {', '.join(known)}")
        if not INTERFACE.fullmatch(interface) or interface in ("lo", "br0"):
            raise end.mistake("has to be NODE:INTERFACE, the interface with at most 15 characters, neither lo nor br0")
        if (node, interface) in taken:
            raise end.mistake(f"the interface is on another link already, in line {taken[node, interface]}")
        taken[node, interface] = end.node.start_mark.line + 1
        ends.append([node, interface])
    if len(ends) != 2 or ends[0][0] == ends[1][0]:
        raise keys["ends"].mistake("a link has two ends, on two nodes")
    settings = {"ends": ends, "loss": {}, "of": keys["of"].choice(tuple(LOSABLE)) if "of" in keys else "all"}
    if "loss" in keys:
        if isinstance(keys["loss"].node, yaml.MappingNode):
            # By the end at which they would have arrived.
            each = keys["loss"].items(tuple(node for node, _ in ends))
            settings["loss"] = {node: percent.number(0, 100, whole=False) for node, percent in each.items()}
        else:
            percent = keys["loss"].number(0, 100, whole=False)
            settings["loss"] = {node: percent for node, _ in ends}
    elif "of" in keys:
        raise keys["of"].mistake("says what is lost: it needs the key loss")
    return settings


def only(lab, nodes):
    """The lab with these of its nodes, and the links among them.

    :raise Mistake: for a node that the lab does not have.
    """
    known = [*lab["switches"], *lab["hosts"], *lab["machines"]]
    for node in nodes:
        if node not in known:
            raise Mistake(f"--nodes: there is no {node}; there are: {', '.join(known)}")
    kept = {kind: {name: settings for name, settings in lab[kind].items() if name in nodes} for kind in ("hosts", "switches", "machines")}
    for name, settings in kept["machines"].items():
        if settings["host"] not in nodes:
            raise Mistake(f"--nodes: {name} needs its host {settings['host']}")
    return {**lab, **kept, "links": [link for link in lab["links"] if all(node in nodes for node, _ in link["ends"])]}
