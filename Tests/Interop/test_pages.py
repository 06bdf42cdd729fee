"""The command blocks of Documentation, typed in their order: each succeeds, and prints what the page says.

How a page's blocks are marked: `sh` is typed, and `output` after it has lines that it prints, in this order; `sh end` is typed last.
`yaml` is a configuration, and `text` is all else (a picture, another vendor's command line). A page that links to lab.md is typed in
that page's lab. Everything runs in namespaces of the test's own: network, processes, and mounts with a /run of their own.
"""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from lab import Evbd, eventually
from lab.evbd import NO_ANSWER, binary
from lab.system import REPOSITORY

DOCUMENTATION = REPOSITORY / "Documentation"
PAGES = ["concepts.md", "containers.md", "lab.md", "lldpad.md", "switches.md", "troubleshooting.md"]
LANGUAGES = {"sh", "sh end", "output", "yaml", "text"}
ENTER = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
MARK = "== block "


def blocks(page):
    """The fenced blocks of a page, as pairs of info string and text."""
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", (DOCUMENTATION / page).read_text(), re.M | re.S)


def typed(page):
    """The `sh` blocks in the order in which they are typed, each with the output that follows it."""
    found, last = [], []
    for (language, text), (follower, output) in zip(blocks(page), [*blocks(page)[1:], ("", "")]):
        if language.startswith("sh"):
            (last if language == "sh end" else found).append((text, output if follower == "output" else ""))
    if page != "lab.md" and "(lab.md)" in (DOCUMENTATION / page).read_text():
        laid = typed("lab.md")
        found, last = laid[:-1] + found, last + laid[-1:]
    return found + last


def plain(line):
    """A line without what differs from run to run: addresses of random links, times, and the width of columns."""
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
    """What is not marked is typed by no test."""
    assert {language for language, _ in blocks(page)} <= LANGUAGES
    fences = [line for line in (DOCUMENTATION / page).read_text().splitlines() if line.startswith("```")]
    assert len(fences) == 2 * len(blocks(page))


@pytest.mark.parametrize("page", PAGES)
def test_OPS_802_links_lead_somewhere(page):
    """Links to files of the repository and to headings of the page itself."""
    text = (DOCUMENTATION / page).read_text()
    headings = {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.M)}
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif "://" not in target:
            assert (DOCUMENTATION / target.split("#")[0]).exists(), target


@pytest.mark.parametrize("page", [page for page in PAGES if typed(page)])
def test_OPS_803_the_commands_do_what_the_page_says(page, tmp_path):
    steps = typed(page)
    status, said = type_in("".join(f"echo '{MARK}{number}'\n{text}\n" for number, (text, _) in enumerate(steps)), tmp_path)
    printed = re.split(f"^{MARK}\\d+\n", said, flags=re.M)[1:]
    assert status == 0 and len(printed) == len(steps), f"block {len(printed)} ended with {status}:\n{steps[len(printed) - 1][0]}\n{said}"
    for (text, output), lines in zip(steps, printed):
        remaining = map(plain, lines.splitlines())
        for line in output.splitlines():
            assert plain(line) in remaining, f"{text}\ndoes not print\n{line}\nbut\n{lines}"


@pytest.mark.parametrize("page, configuration", [(page, text) for page in PAGES for language, text in blocks(page) if language == "yaml"])
def test_OPS_804_configurations_are_accepted(page, configuration, tmp_path):
    path = Path(tmp_path / "evbd.yaml")
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
