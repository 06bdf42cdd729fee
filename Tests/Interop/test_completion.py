"""What the shells complete: ports, VSIs and links of the evbd that runs, and nothing, quickly, where none does."""

import os
import re
import shlex
import shutil
import subprocess
import time
import uuid

import pytest

from lab import Evbd
from lab.evbd import binary

SHELLS = ("bash", "fish", "zsh")
PROGRAMS = ("evbctl", "evbd", "evbd-snmp")
# For bash: what is offered for the last word of a line. zsh completes only where somebody types, on a terminal of its own.
BASH = """
source "$1.bash"; shift
COMP_LINE=$1; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_POINT=${#COMP_LINE}
"_${COMP_WORDS[0]//-/_}" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
# Where nobody types, fish knows no cursor, and some versions complain when they are asked.
FISH = """
for script in *.fish; source $script; end
function commandline; if contains -- -tC $argv; echo 0; else; builtin commandline $argv; end; end
complete -C $argv[1]
"""
ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; stty -echo; fpath=('$PWD' $fpath); autoload -Uz compinit; compinit -u -D; unsetopt automenu; LISTMAX=0; zstyle ":completion:*" list-prompt ""; bindkey "^I" list-choices; print ready-$((6*7))'
line=; while [[ $line != *ready-42* ]]; do zpty -r shell line; done
zpty -w -n shell "$1"$'\\t'
sleep 1
zpty -w -n shell $'\\x15exit\\n'
while zpty -r shell line; do print -r -- $line; done
"""


@pytest.fixture(params=SHELLS)
def complete(request, tmp_path):
    """What a shell offers behind a line, as a set of words."""
    shell = request.param
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    (tmp_path / "bin").mkdir()
    for program in PROGRAMS:
        (tmp_path / "bin" / program).symlink_to(binary(program))
        script = subprocess.run([binary(program), "--generate-completion-script", shell], capture_output=True, text=True, check=True).stdout
        (tmp_path / (f"_{program}" if shell == "zsh" else f"{program}.{shell}")).write_text(script)

    def offered(socket, line):
        words = {
            "bash": ["bash", "-c", BASH, "bash", line.split()[0], line, *shlex.split(line), *([""] if line.endswith(" ") else [])],
            "fish": ["fish", "--no-config", "-c", FISH, line],
            "zsh": ["zsh", "-f", "-c", ZSH, "zsh", line],
        }[shell]
        result = subprocess.run(words, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, cwd=tmp_path, env={
            **os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "EVBCTL_SOCKET": str(socket), "HOME": str(tmp_path)})
        assert not result.stderr.strip(), result.stderr
        return set(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", " ", result.stdout).split())
    return offered


def test_OPS_104_ports_vsis_links_and_states_complete_live(cable, complete):
    """With an evbd that has a VSI; as it is de-associated, it is offered no longer."""
    cable.lldpad_bridge()
    evbd = Evbd(cable.lab, cable.host)
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0", "--label", "web-1")
    assert "uplink0" in complete(evbd.socket, "evbctl port show ")
    assert "uplink0" in complete(evbd.socket, "evbctl vsi list --port ")
    for line in ("evbctl vsi show ", f"evbctl vsi show {vsi[:6]}", "evbctl vsi deassociate "):
        assert any(vsi == word.lower() for word in complete(evbd.socket, line)), line
    assert "vm0" in complete(evbd.socket, f"evbctl vsi associate {vsi} --link ")
    for line in ("evbctl vsi show v", "evbctl vsi deassociate v", "evbctl vsi list --link ", "evbctl monitor --vsi v"):
        assert "vm0" in complete(evbd.socket, line), line
    for line in ("evbctl vsi show w", "evbctl vsi list --label "):
        assert "web-1" in complete(evbd.socket, line), line
    assert {"domain", "label"} <= complete(evbd.socket, "evbctl vsi list --columns ")
    assert "reflective-relay" in complete(evbd.socket, "evbctl monitor --kind ")
    assert {"associated", "pending"} <= complete(evbd.socket, "evbctl vsi list --state ")
    assert "uplink0" in complete("/nonexistent", f"evbctl port show --socket {evbd.socket} ")
    evbd.ctl("vsi", "deassociate", vsi)
    assert vsi not in complete(evbd.socket, "evbctl vsi show ")


def test_OPS_130_the_options_of_daemons_and_their_values_complete(complete, tmp_path):
    """Names, one of some words, files with an ending and folders; behind a value the names again."""
    (tmp_path / "some.yaml").touch()
    (tmp_path / "some.txt").touch()
    (tmp_path / "folder").mkdir()
    assert {"--config", "--log-level", "--help"} <= complete("", "evbd --")
    assert "--log-level" in complete("", "evbd --config some.yaml --log")
    assert {"debug", "critical"} <= complete("", "evbd --log-level ")
    assert "info" in complete("", "evbd --log-level inf")
    assert any(word.rstrip("/") == "folder" for word in complete("", "evbd --types-dir "))
    offered = complete("", "evbd --config ")
    assert "some.yaml" in offered
    assert {"--agentx", "--max-age"} <= complete("", "evbd-snmp --")


def test_OPS_104_without_an_evbd_completion_is_quick_and_silent(complete, tmp_path):
    """No socket, or one where nobody answers: no words, no complaint, a second at most for each."""
    assert not {"uplink0"} & complete(tmp_path / "none.sock", "evbctl port show ")
    dead = subprocess.Popen(["/usr/bin/python3", "-c", "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1); sys.stdin.read()",
                             tmp_path / "dead.sock"], stdin=subprocess.PIPE)
    try:
        while not (tmp_path / "dead.sock").exists():
            time.sleep(0.01)
        complete(tmp_path / "dead.sock", "evbctl vsi show ")
    finally:
        dead.communicate()
