"""tshark with the dissector of Packaging/wireshark, and what it says of frames."""

import os
import struct
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGIN = REPOSITORY / "Packaging/wireshark"
CAPTURES = REPOSITORY / "Tests/Captures"
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


def run(pcap, *words, plugin=True, home=None):
    """What tshark prints. A Lua error anywhere, or anything on standard error but its warning to root, fails."""
    script = ["-X", f"lua_script:{PLUGIN / 'evb.lua'}"] if plugin else []
    environment = {**os.environ, "HOME": str(home or pcap.parent), "LC_ALL": "C.UTF-8"}
    for name in ("XDG_CONFIG_HOME", "WIRESHARK_PLUGIN_DIR"):
        environment.pop(name, None)
    # -n: addresses as they are, not as a vendor's.
    result = subprocess.run(["tshark", "-n", *script, "-r", str(pcap), *words], capture_output=True, text=True, timeout=300,
                            env=environment, stdin=subprocess.DEVNULL)
    said = [line for line in result.stderr.splitlines() if line.strip() and not line.startswith("Running as user")]
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
