"""The numbers of evbd as Prometheus has them: by its own tools, by a scrape, and through the dashboard."""

import json
import re
import subprocess
import uuid

import pytest
from lab import eventually, prometheus
from lab.evbd import FAILED, binary
from lab.pair import Pair, requests
from lab.tap import Macvtap

DASHBOARD = prometheus.FILES / "evbd-dashboard.json"


@pytest.fixture
def pair(cable):
    """Station and bridge with three VSIs, a problem that lasts, and a VSI that ends."""
    pair = Pair(cable)
    vsis = [request["vsiID"] for request in requests(3)]
    for number, vsi in enumerate(vsis):
        pair.evbd.associate(vsi, "--wait", "20", mac=f"52:54:00:11:22:0{number}")
    pair.evbd.config["log"]["level"] = "nonsense"
    pair.evbd.write_config()
    assert pair.evbd.ctl("reload").returncode == FAILED
    return pair


def check(text):
    return subprocess.run([prometheus.tool(), "check", "metrics"], input=text, capture_output=True, text=True)


def test_OPS_607_promtool_finds_no_fault(pair):
    for evbd in (pair.evbd, pair.bridge):
        text = evbd.ctl("metrics", "--format", "prometheus").stdout
        found = check(text)
        assert (found.returncode, found.stdout + found.stderr) == (0, ""), found
        # That it looks: a help that is missing is a fault.
        assert "no help text" in check(re.sub("# HELP evbd_port_up .*\n", "", text)).stderr
        assert evbd.ctl("metrics").stdout.endswith("\n# EOF\n")
        parts = evbd.ctl_json("metrics")
        assert [sorted(key for key, value in part.items() if value) for part in parts] == [["daemon"], ["port"]]
    assert 'evbd_problem{port="",kind="reload"} 1\n' in pair.evbd.ctl("metrics").stdout


def test_OPS_608_each_alert_comes_when_it_should():
    """promtool test rules; and no alert is without a test."""
    for words in (["check", "rules", "evbd.rules.yaml"], ["test", "rules", "evbd.rules.test.yaml"],
                  ["check", "config", "--syntax-only", "prometheus.yaml"]):
        found = subprocess.run([prometheus.tool(), *words], cwd=prometheus.FILES, capture_output=True, text=True)
        assert found.returncode == 0, found.stdout + found.stderr
    alerts = set(re.findall(r"- alert: (\w+)", (prometheus.FILES / "evbd.rules.yaml").read_text()))
    tests = (prometheus.FILES / "evbd.rules.test.yaml").read_text()
    assert alerts == set(re.findall(r"^ +alertname: (\w+)", tests, re.M)) == set(re.findall(r"alertname: (\w+), exp_alerts: \[\]", tests))


def expressions():
    """Every query of the dashboard, with values for its variables."""
    board = json.loads(DASHBOARD.read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$instance", ".*").replace("$port", ".*").replace("$__rate_interval", "10s")
            assert "$" not in expression, expression
            yield f"{panel['title']}: {expression}", expression
    for variable in board["templating"]["list"][1:]:
        selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
        yield variable["name"], f"count by ({label}) ({selector.replace('$instance', '.*')})"


def test_OPS_609_a_real_prometheus_scrapes_and_every_query_returns_rows(cable, pair):
    prometheus.open_door(cable.lab, cable.host, pair.evbd, 10847)
    prometheus.open_door(cable.lab, cable.host, pair.bridge, 10848)
    server = prometheus.Prometheus(cable.lab, cable.host, (10847, 10848))
    eventually(lambda: server.targets() == [("up", ""), ("up", "")], 20, f"both are scraped: {server.targets()}", every=0.2)
    # Rates want two scrapes, and something that happens between them.
    pair.evbd.associate(str(uuid.uuid4()), "--wait", "20", mac="52:54:00:11:22:99")
    missing = dict(expressions())
    assert len(missing) > 40

    def ask():
        for name in [name for name, expression in missing.items() if any(value != "NaN" for _, value in server.rows(expression))]:
            del missing[name]
        return not missing
    eventually(ask, 20, "every query has rows that are numbers", every=0.5)
    assert not missing, missing
    # What it says is what evbd says.
    (labels, value), = server.rows('evbd_vsis{role="station", state="associated"}')
    assert (labels["port"], labels["instance"], value) == ("uplink0", "127.0.0.1:10847", "4")
    assert [value for _, value in server.rows('evbd_vsis{role="bridge", state="associated"}')] == ["4"]
    assert ("reload", "1") in [(labels["kind"], value) for labels, value in server.rows("evbd_problem > 0")]
    for role in ("station", "bridge"):
        assert int(server.rows(f'evbd_association_seconds_count{{role="{role}"}}')[0][1]) == 4
        assert int(server.rows(f'evbd_ecp_round_trip_seconds_count{{role="{role}"}}')[0][1]) >= 4
    # OpenMetrics is what it asks for, and it knows the units by that.
    metadata = server.ask("metadata", metric="evbd_association_seconds")
    assert metadata["evbd_association_seconds"][0]["type"] == "histogram" and metadata["evbd_association_seconds"][0]["unit"] == "seconds"
    # Every alert's expression is one that it takes, and none of them fails.
    rules = [rule for group in server.ask("rules")["groups"] for rule in group["rules"]]
    assert len(rules) >= 12 and {rule["health"] for rule in rules} == {"ok"}, rules
    # A dead evbd is a scrape that fails.
    pair.bridge.terminate()
    status, kind, body = prometheus.fetch(cable.host, 10848)
    assert status == "503" and kind.startswith("text/plain") and "evbd does not answer" in body
    eventually(lambda: sorted(health for health, _ in server.targets()) == ["down", "up"], 20, f"it is down: {server.targets()}")


def test_OPS_606_the_endpoint_bears_any_client(cable, pair):
    """One bounded request, and an end to every wait; what is open does not keep others from their answer."""
    prometheus.open_door(cable.lab, cable.host, pair.evbd, 10847)
    wanted = {"--head": "200", "--request POST": "405", "--header X:" + "y" * 9000: "431"}
    for options, status in wanted.items():
        assert prometheus.fetch(cable.host, 10847, "/metrics", *options.split(" "))[0] == status, options
    assert prometheus.fetch(cable.host, 10847, "/")[0] == "404"
    accept = "application/openmetrics-text;version=1.0.0"
    status, kind, body = prometheus.fetch(cable.host, 10847, "/metrics", "--header", f"Accept: {accept}")
    assert status == "200" and kind.startswith(accept.replace(";", "; ")) and body.endswith("# EOF\n")
    # A client that says nothing is sent away after five seconds, and one that closes at once leaves no process.
    script = """if 1:
        import socket
        silent = socket.create_connection(("127.0.0.1", 10847))
        socket.create_connection(("127.0.0.1", 10847)).close()
        half = socket.create_connection(("127.0.0.1", 10847))
        half.sendall(b"GET /metrics HTTP/1.1\\r\\n\\r\\n")
        said = b""
        while part := half.recv(65536): said += part
        assert said.startswith(b"HTTP/1.1 200 OK"), said
        silent.settimeout(30)
        assert silent.recv(100).startswith(b"HTTP/1.1 408")
    """
    result = subprocess.run([str(word) for word in cable.host.command("/usr/bin/python3", "-c", script)], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    ours = f"{binary('evbctl')} metrics --http"
    eventually(lambda: not [line for line in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout.splitlines()
                            if line.startswith(ours)], 10, "no process stays")


def traffic(evbd, vsi):
    return evbd.ctl_json("vsi", "show", vsi)["traffic"]


def test_OPS_612_what_each_machine_sends_and_receives_is_counted_at_its_link(cable):
    """At a macvtap, the machine's own end of the link: what its kernel side sends is what the machine sends. Without --vsi there is no such series."""
    pair = Pair(cable)
    vsi, bare = str(uuid.uuid4()), str(uuid.uuid4())
    pair.evbd.associate(vsi, "--link", "vm1", mac="52:54:00:11:22:01")
    pair.evbd.associate(bare, mac="52:54:00:11:22:03")
    assert traffic(pair.evbd, bare) is None and traffic(pair.bridge, vsi) is None
    assert "no link" in pair.evbd.ctl_json("vsi", "show", bare)["trafficNote"]
    assert "Traffic" in (said := pair.bridge.ctl("vsi", "show", vsi).stdout) and "no VSI types" in said
    machine = Macvtap(cable.lab, cable.host, "vm1")
    frame = bytes.fromhex("ffffffffffff525400112201" "88b5") + bytes(86)
    before = traffic(pair.evbd, vsi)
    for _ in range(5):
        machine.send(frame)
    after = eventually(lambda: (now := traffic(pair.evbd, vsi))["sent"]["frames"] >= before["sent"]["frames"] + 5 and now, 5, "they are counted")
    assert after["sent"]["octets"] >= before["sent"]["octets"] + 500
    # The other way: what the switch sends to the machine.
    pair.wire.send(bytes.fromhex("525400112201" "0200000000ee" "88b5") + bytes(86))
    eventually(lambda: traffic(pair.evbd, vsi)["received"]["frames"] > after["received"]["frames"], 5, "it is received")
    shown = pair.evbd.ctl("vsi", "show", vsi).stdout
    assert re.search(r"^Machine sent +\d+ frames, \d+ octets, 0 dropped$", shown, re.M), shown
    text = pair.evbd.ctl("metrics", "--vsi").stdout
    sent, = re.findall(rf'^evbd_vsi_sent_frames_total{{port="uplink0",role="station",vsi="{vsi}"}} (\d+)$', text, re.M)
    assert int(sent) >= 5 and bare not in text
    assert check(pair.evbd.ctl("metrics", "--vsi", "--format", "prometheus").stdout).stderr == ""
    assert "evbd_vsi_" not in pair.evbd.ctl("metrics").stdout
