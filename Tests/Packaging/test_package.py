"""What is in the package, and that each part of it says what the programs do."""

import json
import os
import re
import subprocess
from types import SimpleNamespace

from lab.system import REPOSITORY

PROGRAMS = {"evbd": "usr/sbin/evbd", "evbctl": "usr/bin/evbctl"}


def say(*words, **options):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, **options)


def page(package, name):
    """A manual page as text, in lines of a length that breaks nothing."""
    source = package.root / f"usr/share/man/man{name[-1]}/{name}.gz"
    result = say("man", "--warnings", "-E", "UTF-8", "-l", source, env={**os.environ, "MANWIDTH": "1000", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""})
    assert result.returncode == 0 and not result.stderr, result.stderr
    return re.sub(r".\x08", "", result.stdout)


def test_OPS_101_packaging_deb_makes_it_and_lintian_is_content(package):
    """One command; what lintian has to say is nothing but overrides."""
    assert re.fullmatch(r"evbd_0\.1\.0.*_amd64\.deb", package.path.name) or package.path.name.startswith("evbd_"), package.path
    assert "lintian:" in package.said or "EVBD_PACKAGE" in os.environ, package.said
    assert not re.search(r"^[EW]: ", package.said, re.M), package.said
    files = {str(path.relative_to(package.root)) for path in package.root.rglob("*") if path.is_file()}
    for name in (*PROGRAMS.values(), "etc/evbd/evbd.yaml", "usr/lib/systemd/system/evbd.service", "usr/lib/sysusers.d/evbd.conf",
                 "usr/lib/tmpfiles.d/evbd.conf", "usr/lib/systemd/catalog/evbd.catalog", "usr/share/bash-completion/completions/evbctl", "usr/share/doc/evbd/README.Debian",
                 "usr/share/doc/evbd/README.md", "usr/share/doc/evbd/Documentation/operation.md", "usr/share/doc/evbd/Documentation/reference/evbd-snmp.md",
                 "usr/share/doc/evbd/examples/evbd.yaml", "usr/share/evbd/io.evbd.varlink", "usr/share/fish/vendor_completions.d/evbctl.fish",
                 "usr/share/man/man1/evbctl.1.gz", "usr/share/man/man5/evbd-vsi-types.yaml.5.gz", "usr/share/man/man5/evbd.yaml.5.gz",
                 "usr/share/man/man8/evbd.8.gz", "usr/share/zsh/vendor-completions/_evbctl"):
        assert name in files, f"{name} is missing of {sorted(files)}"
    assert any(name.endswith("wireshark/plugins/evb.lua") for name in files)


def test_OPS_102_programs_are_position_independent_and_bound_now(package):
    """Full RELRO: nothing that a bug could write to says where a function is. And they are stripped."""
    for path in PROGRAMS.values():
        dynamic = say("readelf", "--wide", "--dynamic", package.root / path).stdout
        assert re.search(r"\(FLAGS_1\) .*NOW.*PIE", dynamic), f"{path}: {dynamic}"
        assert "GNU_RELRO" in say("readelf", "--wide", "--segments", package.root / path).stdout, path
        assert ".debug_info" not in say("readelf", "--wide", "--sections", package.root / path).stdout, path


def nested(path, inner):
    """A mapping with the value at a path; a name with [] at its end is a list of one entry."""
    for name in reversed(path):
        inner = f"{{ {name[:-2]}: [{inner}] }}" if name.endswith("[]") else f"{{ {name}: {inner} }}"
    return inner


def accepted(check):
    """Every path of keys that evbd accepts, found by asking for a key that there is not; evbd then names those that it knows."""
    found, left = set(), [[""]]
    while left:
        path = left.pop()
        for path in ([*path[:-1], path[-1] + "[]"], path) if path[-1] else [[]]:
            names = re.search(r"zzzzzzzzzzzz: is not a known key; the known keys are (.*)", check(nested(path, "{ zzzzzzzzzzzz: 1 }")))
            for name in names[1].split(", ") if names else []:
                found.add(".".join([*path, name]))
                left.append([*path, name])
    return found


def heads(text):
    """The keys at the heads of the entries of a page."""
    return set(re.findall(r"^ {7}([a-z][a-z0-9.\[\]-]*)(?:: .*)?$", text[text.index("\nKEYS\n"):], re.M))


def test_OPS_103_each_key_that_evbd_accepts_is_in_the_manual(package, tmp_path):
    """Of evbd.yaml in both roles, and of a file of VSI types: asked of evbd itself."""
    config = tmp_path / "evbd.yaml"

    def check(text):
        config.write_text(text)
        return say(package.root / PROGRAMS["evbd"], "--config", config, "--check-config").stderr

    keys = set()
    for role in ("station", "bridge"):
        keys |= accepted(lambda text: check(text.replace("ports: [{", f"ports: [{{ interface: eth0, role: {role},")))
    types = tmp_path / "types.yaml"

    def check_types(text):
        types.write_text(text.replace("types: [{", "types: [{ type: 1,"))
        return check(f"ports: [{{ interface: eth0, role: bridge, vsi-types: {types} }}]")
    kinds = accepted(check_types)
    # That the search finds what there is.
    assert {"control.read-only.group", "ports[].misbehave.refuse.count", "ports[].edge-relay", "limits.vsis", "log.level"} <= keys, keys
    assert {"default-manager", "types[].ethertypes", "types[].groups[].vlan"} <= kinds, kinds
    for name, known in (("evbd.yaml.5", keys), ("evbd-vsi-types.yaml.5", kinds)):
        text = page(package, name)
        there = heads(text)
        for key in sorted(known):
            # S-channels take the keys of ports, which are in the page once.
            taken = re.fullmatch(r"ports\[\]\.s-channels(?:\.channels\[\])?\.(.+)", key)
            if taken and f"ports[].{taken[1]}" in known:
                assert "any key of a port" in text.lower() and "any key of a bridge's port may follow" in text.lower(), name
                continue
            parent, _, leaf = key.rpartition(".")
            parent = parent if parent in there else parent.removesuffix("[]")
            # A mapping is there by its keys. An alternative to a key may be in its neighbours' text.
            assert key in there or any(other.startswith((f"{key}.", f"{key}[]")) for other in there) \
                or (any(other == parent or other.startswith(f"{parent}.") for other in there) and f"{leaf}: " in text), f"{name} has no {key}: {sorted(there)}"
        for head in there:
            assert head in known or head.removesuffix("[]") in known, f"{name}: evbd knows no {head}"


def test_OPS_103_each_command_and_option_is_in_the_manual(package):
    """As the programs dump them. The pages have no warnings."""
    for program, name in (("evbctl", "evbctl.1"), ("evbd", "evbd.8")):
        text = page(package, name)

        def look(command, words):
            for argument in command.get("arguments", []):
                for option in argument.get("names", []):
                    if argument["shouldDisplay"]:
                        assert ("-" if option["kind"] == "short" else "--") + option["name"] in text, f"{name}: {option}"
            for each in command.get("subcommands", []):
                if each["commandName"] != "help" and not each.get("subcommands"):
                    assert f"{' '.join([*words, each['commandName']])}" in text, f"{name}: {each['commandName']}"
                look(each, [*words, each["commandName"]])
        look(json.loads(say(package.root / PROGRAMS[program], "--experimental-dump-help").stdout)["command"], [program])


def test_OPS_110_the_configuration_as_installed_has_no_ports_and_is_the_example_otherwise(package, tmp_path):
    """evbd takes it; with the [] and the first # of each line of the ports taken away it is Packaging/evbd.yaml again."""
    installed = package.root / "etc/evbd/evbd.yaml"
    result = say(package.root / PROGRAMS["evbd"], "--config", installed, "--check-config")
    assert (result.returncode, result.stdout) == (0, "OK\n"), result
    text = installed.read_text()
    assert re.search(r"^ports: \[\]$", text, re.M)
    edited, inside = [], False
    for line in text.splitlines():
        if line == "ports: []":
            line, inside = "ports:", True
        elif re.match("[a-z]", line):
            inside = False
        edited.append(line[1:] if inside and line.startswith("#") else line)
    note = [line for line in edited if line.startswith(("# No ports: evbd", "# the name of its interface."))]
    assert len(note) == 2
    assert [line for line in edited if line not in note] == (REPOSITORY / "Packaging/evbd.yaml").read_text().splitlines()


def test_OPS_109_the_interface_file_is_what_evbd_says(package):
    """Where there is a varlinkctl that knows how (systemd 255 or later), it takes it."""
    path = package.root / "usr/share/evbd/io.evbd.varlink"
    assert "\nmethod GetStatus() -> (status: Status)\n" in path.read_text()
    if subprocess.run(["sh", "-c", "command -v varlinkctl"], capture_output=True).returncode == 0:
        assert say("varlinkctl", "validate-idl", path).returncode == 0


def test_OPS_717_evbd_snmp_is_a_package_of_its_own(package):
    """evbd's has nothing of it; its own has program, page, unit, user and examples. The page has each option, and has no warnings."""
    here, there = ({str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} for root in (package.root, package.snmp))
    assert not [name for name in here if "snmp" in name and not name.startswith("usr/share/doc/evbd/Documentation/")]
    for name in ("usr/sbin/evbd-snmp", "usr/lib/systemd/system/evbd-snmp.service", "usr/lib/sysusers.d/evbd-snmp.conf",
                 "usr/share/man/man8/evbd-snmp.8.gz", "usr/share/doc/evbd-snmp/snmp.md", "usr/share/doc/evbd-snmp/examples/snmpd.conf",
                 "usr/share/bash-completion/completions/evbd-snmp"):
        assert name in there or f"{name}.gz" in there, f"{name} is missing of {sorted(there)}"
    text = page(SimpleNamespace(root=package.snmp), "evbd-snmp.8")
    for argument in json.loads(say(package.snmp / "usr/sbin/evbd-snmp", "--experimental-dump-help").stdout)["command"]["arguments"]:
        for option in argument.get("names", []):
            assert ("-" if option["kind"] == "short" else "--") + option["name"] in text, option
    for line in (REPOSITORY / "Packaging/snmpd.conf").read_text().splitlines():
        assert line in text, line


def test_OVL_522_evbd_types_is_a_package_of_its_own(package):
    """evbd's has nothing of it, and no program of evbd's is linked to libcurl; its own has program, page, unit, user and example."""
    here, there = ({str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} for root in (package.root, package.types))
    assert not [name for name in here if "evbd-types" in name and not name.startswith("usr/share/doc/evbd/Documentation/")]
    for name in ("usr/sbin/evbd-types", "usr/lib/systemd/system/evbd-types.service", "usr/lib/sysusers.d/evbd-types.conf",
                 "usr/share/man/man8/evbd-types.8.gz", "usr/share/doc/evbd-types/types-server.md", "usr/share/bash-completion/completions/evbd-types"):
        assert name in there or f"{name}.gz" in there, f"{name} is missing of {sorted(there)}"
    for path in PROGRAMS.values():
        assert "curl" not in say("readelf", "--wide", "--dynamic", package.root / path).stdout, path
    dynamic = say("readelf", "--wide", "--dynamic", package.types / "usr/sbin/evbd-types").stdout
    assert re.search(r"\(FLAGS_1\) .*NOW.*PIE", dynamic) and "libcurl.so.4" in dynamic, dynamic
    text = page(SimpleNamespace(root=package.types), "evbd-types.8")
    for argument in json.loads(say(package.types / "usr/sbin/evbd-types", "--experimental-dump-help").stdout)["command"]["arguments"]:
        for option in argument.get("names", []):
            assert ("-" if option["kind"] == "short" else "--") + option["name"] in text, option


def test_CNI_118_evbd_cni_is_a_package_of_its_own(package):
    """evbd's has nothing of it; its own has the plugin where Debian's are, the hook where podman looks, and an example that the plugin takes."""
    here, there = ({str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} for root in (package.root, package.cni))
    assert not [name for name in here if "/cni/" in name or "/oci/" in name]
    for name in ("usr/lib/cni/evb", "usr/share/containers/oci/hooks.d/evb.json", "usr/share/doc/evbd-cni/containers.md",
                 "usr/share/doc/evbd-cni/examples/evb.conflist"):
        assert name in there or f"{name}.gz" in there, f"{name} is missing of {sorted(there)}"
    dynamic = say("readelf", "--wide", "--dynamic", package.cni / "usr/lib/cni/evb").stdout
    assert re.search(r"\(FLAGS_1\) .*NOW.*PIE", dynamic) and "swift" not in dynamic, dynamic
    hook = json.loads((package.cni / "usr/share/containers/oci/hooks.d/evb.json").read_text())
    assert (package.root / hook["hook"]["path"].lstrip("/")).exists()
    example = json.loads((package.cni / "usr/share/doc/evbd-cni/examples/evb.conflist").read_text())
    configuration = {**example["plugins"][0], "cniVersion": example["cniVersion"], "name": example["name"], "socket": "/nowhere"}
    said = subprocess.run([package.cni / "usr/lib/cni/evb"], env={"CNI_COMMAND": "VERSION"}, input=json.dumps(configuration), text=True,
                          capture_output=True, timeout=30)
    assert said.returncode == 0 and "1.1.0" in json.loads(said.stdout)["supportedVersions"], said


def test_CPT_108_the_page_is_a_package_of_its_own(package):
    """CPT-108 evbd's package has nothing of it; its own has each file that the page asks for, where Cockpit looks."""
    assert not (package.root / "usr/share/cockpit").exists() and not (package.root / "usr/share/metainfo").exists()
    page = package.cockpit / "usr/share/cockpit/evbd"
    assert json.loads((page / "manifest.json").read_text())["menu"]["index"]["label"]
    there = {path.name for path in page.iterdir()}
    for path in page.glob("*.[hj]*"):
        for name in re.findall(r"""(?:from "\./|src="|href=")(\w[\w.-]*)""", path.read_text()):
            assert name in there, f"{path.name} asks for {name}, which is missing of {sorted(there)}"
    assert {path.name for path in (REPOSITORY / "Packaging/cockpit").iterdir()} - there == {"org.evbd.cockpit.metainfo.xml"}
    assert (package.cockpit / "usr/share/metainfo/org.evbd.cockpit.metainfo.xml").exists()


def test_OPS_111_unit_and_page_name_the_same_paths():
    """The paths in the first lines of what Packaging/systemd has are those to which Documentation/operation.md installs them."""
    readme = (REPOSITORY / "Documentation/operation.md").read_text()
    for name in ("service", "sysusers", "tmpfiles", "catalog"):
        path = re.match(r"# (/usr/lib/\S+?)[:.] ", (REPOSITORY / f"Packaging/systemd/evbd.{name}").read_text())
        assert path and re.search(rf"evbd\.{name} {re.escape(path[1])}$", readme, re.M), f"evbd.{name}: {path and path[1]}"
    unit = (REPOSITORY / "Packaging/systemd/evbd.service").read_text()
    for program in set(re.findall(r"^Exec\w+=(/usr\S+)", unit, re.M)):
        assert f"{program.rsplit('/', 1)[1]} {program}\n" in readme, program


def test_OPS_112_the_tarball_has_the_files_of_the_package(package, tmp_path):
    """For distributions other than Debian; stripped too, and all of it root's."""
    made = subprocess.run([REPOSITORY / "Packaging/tarball", "--output", tmp_path], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env={**os.environ, "XZ_OPT": "-0"})
    assert made.returncode == 0, made.stdout + made.stderr
    path, = tmp_path.glob("evbd-*.tar.xz")
    listed = say("tar", "-tvf", path).stdout.splitlines()
    assert all(line.split()[1] == "0/0" for line in listed)
    names = {line.split()[-1] for line in listed}
    for name in (*PROGRAMS.values(), "usr/lib/systemd/system/evbd.service", "usr/share/man/man5/evbd.yaml.5", "etc/evbd/evbd.yaml",
                 "usr/lib/wireshark/plugins/evb.lua", "usr/share/doc/evbd/README.md"):
        assert name in names, f"{name} is missing of {sorted(names)}"
