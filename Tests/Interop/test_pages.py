"""The command blocks of README.md and Documentation, typed in their order: each succeeds, and prints what the page says.

How a page's blocks are marked: `sh` is typed, and `output` after it has lines that it prints, in this order; `sh end` is typed last;
`sh skip: REASON` cannot be typed here. `yaml` is a configuration, or a file of VSI types, and `text` is all else (a picture, another vendor's command line). A page
that links to lab.md is typed in that page's lab; those of TOGETHER leave it as they found it, and share one. Everything runs in namespaces of the test's own: network, processes, and mounts with a /run of their own.
"""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from lab import Evbd, eventually
from lab.evbd import NO_ANSWER, binary
from lab.system import REPOSITORY

LAB = "Documentation/lab.md"
# Pages for those who develop are not typed: their commands are builds and tests.
PAGES = ["README.md", *sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "Documentation").rglob("*.md")
                              if path.name != "ARCHITECTURE.md" and path.parent.name not in ("machines", "decisions"))]
TOGETHER = ["README.md", *(f"Documentation/{name}.md" for name in ("getting-started", "operation", "wire", "bridge"))]
LANGUAGE = re.compile(r"sh|sh end|sh skip: \w.*|output|yaml|text")
ENTER = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
MARK = "== block "


def blocks(page):
    """The fenced blocks of a page, as pairs of info string and text."""
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", (REPOSITORY / page).read_text(), re.M | re.S)


def typed(page):
    """The `sh` blocks in the order in which they are typed, each with the output that follows it; those that are typed last apart."""
    found, last = [], []
    for (language, text), (follower, output) in zip(blocks(page), [*blocks(page)[1:], ("", "")]):
        if language in ("sh", "sh end"):
            (last if language == "sh end" else found).append((text, output if follower == "output" else ""))
    return found, last


def session(pages):
    """What is typed for pages in one shell: their blocks, and around them those of the lab if a page links to it."""
    found, last = (sum(parts, []) for parts in zip(*map(typed, pages)))
    if LAB not in pages and found and any(re.search(r"\((?:[\w/]+/)?lab\.md\)", (REPOSITORY / page).read_text()) for page in pages):
        laid, end = typed(LAB)
        return laid + found + last + end
    return found + last


# The lab's own blocks are typed for the others.
SESSIONS = [pages for pages in (TOGETHER, *([page] for page in PAGES if page not in (LAB, *TOGETHER))) if session(pages)]


def plain(line):
    """A line without what differs from run to run: addresses of random links, times, and the width of columns."""
    line = re.sub(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", line)
    line = re.sub(r"\b(?!52:54:)([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "MAC", line)
    return " ".join(re.sub(r"\b\d+(\.\d+)?(?= ?m?s\b)", "N", line).split())


def type_in(script, directory):
    """Runs a script as it would be typed, and returns its status and what it printed. What it leaves behind dies with its namespaces."""
    path = directory / "typed.sh"
    path.write_text(f"mount -t tmpfs tmpfs /run\nip link set lo up\nset -eu\n{script}")
    log = directory / "typed.log"
    environment = {**os.environ, "PATH": f"{binary('evbd').parent}:{os.environ['PATH']}", "TMPDIR": str(directory)}
    with open(log, "wb") as output:
        status = subprocess.run([*ENTER, "bash", path], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=directory,
                                env=environment, timeout=300).returncode
    return status, log.read_text(errors="replace")


@pytest.mark.parametrize("page", PAGES)
def test_OPS_801_each_block_is_marked(page):
    """What is not marked is typed by no test; what cannot be typed has a reason."""
    assert [language for language, _ in blocks(page) if not LANGUAGE.fullmatch(language)] == []
    fences = [line for line in (REPOSITORY / page).read_text().splitlines() if line.startswith("```")]
    assert len(fences) == 2 * len(blocks(page))


def headings(path):
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", path.read_text(), re.M)}


@pytest.mark.parametrize("page", PAGES)
def test_OPS_802_links_lead_somewhere(page):
    """Links to files of the repository, and to headings of the page itself and of others."""
    path = REPOSITORY / page
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" not in target:
            file, _, heading = target.partition("#")
            there = path.parent / file if file else path
            assert there.exists(), target
            assert not heading or heading in headings(there), target


@pytest.mark.parametrize("pages", SESSIONS, ids=" ".join)
def test_OPS_803_the_commands_do_what_the_page_says(pages, tmp_path):
    steps = session(pages)
    status, said = type_in("".join(f"echo '{MARK}{number}'\n{text}\n" for number, (text, _) in enumerate(steps)), tmp_path)
    printed = re.split(f"^{MARK}\\d+\n", said, flags=re.M)[1:]
    assert status == 0 and len(printed) == len(steps), f"block {len(printed)} ended with {status}:\n{steps[len(printed) - 1][0]}\n{said}"
    for (text, output), lines in zip(steps, printed):
        remaining = map(plain, lines.splitlines())
        for line in output.splitlines():
            assert plain(line) in remaining, f"{text}\ndoes not print\n{line}\nbut\n{lines}"


def test_OPS_817_a_page_is_linked_from_the_readme():
    """Who starts at the README finds each page; the reference of further programs may be linked from those."""
    readme = (REPOSITORY / "README.md").read_text()
    assert [page for page in PAGES if page != "README.md" and "/reference/" not in page and f"]({page})" not in readme] == []


def test_OPS_818_the_reference_is_current():
    """Run Packaging/reference after a change of a command's help or of a commented configuration."""
    said = subprocess.run([REPOSITORY / "Packaging/reference", "--check", binary("evbctl").parent], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr


def commands(command, words=()):
    """Each command of evbctl, as its words, with its options."""
    name = (*words, command["commandName"])
    yield name, {f"--{option['name']}" for argument in command.get("arguments", []) for option in argument.get("names") or []}
    for each in command.get("subcommands", []):
        yield from commands(each, name)


def test_OPS_819_commands_that_the_pages_name_are_there():
    """`evbctl ...` in a sentence or a table, with the options that are given there."""
    said = subprocess.run([binary("evbctl"), "--experimental-dump-help"], capture_output=True, text=True, check=True).stdout
    known = dict(commands(json.loads(said)["command"]))
    options = {"--socket", "--json", "--help", "--version"}
    unknown = []
    for page in PAGES:
        prose = re.sub(r"^```.*?^```$", "", (REPOSITORY / page).read_text(), flags=re.M | re.S)
        for code in re.findall(r"`(evbctl [^`]*)`", prose):
            words = re.findall(r"[^\s|\[\]]+", code.replace("=", " "))
            name = next((tuple(words[:count]) for count in (3, 2, 1) if tuple(words[:count]) in known), ("evbctl",))
            wrong = [word for word in words if word.startswith("--") and word not in known[name] | options]
            if wrong or (name == ("evbctl",) and re.match("[a-z]", words[1])):
                unknown.append(f"{page}: {code}")
    assert unknown == []


@pytest.mark.parametrize("page, configuration", [(page, text) for page in PAGES for language, text in blocks(page) if language == "yaml"])
def test_OPS_804_configurations_are_accepted(page, configuration, tmp_path):
    path = Path(tmp_path / "evbd.yaml")
    if re.search(r"^(overlay|types):", configuration, re.M):
        types = tmp_path / "types.yaml"
        types.write_text(configuration + ("" if re.search(r"^types:", configuration, re.M) else "types: []\n"))
        configuration = f"ports: [{{ interface: port0, role: bridge, vsi-types: {types} }}]\n"
    path.write_text(configuration)
    said = subprocess.run([binary("evbd"), "--check-config", "--config", path], capture_output=True, text=True)
    assert said.returncode == 0 and said.stdout.strip() == "OK", f"{page}: {said.stdout}{said.stderr}"


def test_OPS_805_lldp_to_the_nearest_bridge_alone(cable):
    """The row of switches.md about 01-80-C2-00-00-0E: no peer, no neighbour, a counter that grows, exit status 4; `group-address` cures it."""
    nearest = "01:80:c2:00:00:0e"
    Evbd(cable.lab, cable.switch, name="bridge", ports=[{"interface": "port0", "role": "bridge", "group-address": nearest}])
    evbd = cable.evbd()
    eventually(lambda: int(re.search(r"LldpRxOtherDestination +(\d+)", evbd.ctl("stats", "uplink0").stdout)[1]) > 0, 40, "it is counted")
    shown = evbd.ctl("port", "show", "uplink0").stdout
    assert re.search(r"^EVB peer +none$", shown, re.M) and re.search(r"^LLDP neighbour +none$", shown, re.M), shown
    vsi = ["1f9b1c53-8b5c-4eeb-8f00-d84eaa0aaa01", "--port", "uplink0", "--type", "100", "--filter", "mac=52:54:00:00:00:01"]
    assert evbd.ctl("vsi", "associate", *vsi, "--wait", "1").returncode == NO_ANSWER
    evbd.config["ports"][0]["group-address"] = nearest
    evbd.write_config()
    evbd.process.signal(signal.SIGHUP)
    evbd.wait_for_bridge(seconds=40)
    evbd.wait_for_state(vsi[0], "associated")
