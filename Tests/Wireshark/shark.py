"""tshark with the dissector of Packaging/wireshark, and what it says of frames."""

import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGIN = REPOSITORY / "Packaging/wireshark"
CAPTURES = REPOSITORY / "Tests/Captures"
# A user without power: from 4.4 on tshark loads no Lua for root.
USER = 65534
# Neither of these is part of a value.
_COLUMN, _MORE = "|", ";"


def write_pcap(path, frames, snaplen=65535):
    """A classic pcap file. A frame longer than snaplen is cut, and says so."""
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for number, octets in enumerate(frames):
        kept = octets[:snaplen]
        data += struct.pack("<IIII", number, 0, len(kept), len(octets)) + kept
    path.write_bytes(data)
    return path


def _home(folder, pcap, home, plugin):
    """Lays into the folder all that tshark reads, and gives it to its user, who cannot look into root's folders. The words that run it there."""
    if home:
        shutil.copytree(home, folder, dirs_exist_ok=True)
    shutil.copy(pcap, folder / "read.pcap")
    script = []
    if plugin:
        shutil.copytree(PLUGIN, folder / "plugin")
        script = ["-X", f"lua_script:{folder / 'plugin/evb.lua'}"]
    if os.geteuid():
        return ["tshark", *script]
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER)
    return ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups", "tshark", *script]


def run(pcap, *words, plugin=True, home=None):
    """What tshark prints, run without root's power. A Lua error anywhere, or anything on standard error, fails."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "HOME": folder, "LC_ALL": "C.UTF-8"}
        for name in ("XDG_CONFIG_HOME", "WIRESHARK_PLUGIN_DIR"):
            environment.pop(name, None)
        tshark = _home(Path(folder), pcap, home, plugin)
        # -n: addresses as they are, not as a vendor's.
        result = subprocess.run([*tshark, "-n", "-r", f"{folder}/read.pcap", *words], capture_output=True, text=True, timeout=300,
                                env=environment, stdin=subprocess.DEVNULL)
    said = result.stderr.strip()
    assert result.returncode == 0 and not said, f"exit {result.returncode}: {said}"
    assert "Lua Error" not in result.stdout, result.stdout[result.stdout.index("Lua Error"):][:500]
    return result.stdout


def dissect(pcap, *names, **options):
    """For each frame a dictionary: field -> all its values, as tshark writes them, in their order."""
    words = [word for name in names for word in ("-e", name)]
    text = run(pcap, "-T", "fields", "-E", f"separator={_COLUMN}", "-E", "occurrence=a", "-E", f"aggregator={_MORE}", *words, **options)
    found = []
    for line in text.splitlines():
        columns = line.split(_COLUMN)
        assert len(columns) == len(names), line
        found.append({name: column.split(_MORE) if column else [] for name, column in zip(names, columns)})
    return found


def numbers(values):
    """Fields with several bits, numbers in either base, and truth values."""
    words = {"True": 1, "False": 0}
    return [words[value] if value in words else int(value, 0) for value in values]
