"""A look at a problem in each place where it is shown."""

import re

from .system import eventually


def looks(evbd, kind, *words, port="uplink0", seconds=8):
    """Waits until a problem stands in the status, and looks for it where operators and their programs do: status, port show, JSON, metrics."""
    place = f"{port}: " if port else ""
    lines = [f"PROBLEM: {place}.*{word}" for word in words]
    gauge = f'evbd_problem{{port="{port or ""}",kind="{kind}"}} 1'
    eventually(lambda: all(re.search(line, evbd.ctl("status").stdout) for line in lines) and gauge in evbd.ctl("metrics").stdout, seconds,
               f"{kind} is shown\n{evbd.ctl('status').stdout}\n{evbd.process.tail()}")
    problem, = [problem for problem in evbd.ctl_json("status")["problems"] if (problem["kind"], problem["port"]) == (kind, port)]
    assert problem["ageSeconds"] >= 0 and problem["message"] and problem["hint"], problem
    if port:
        assert kind in [problem["kind"] for problem in evbd.ctl_json("port", "show", port)["problems"]]
        assert all(re.search(f"PROBLEM: .*{word}", evbd.ctl("port", "show", port).stdout) for word in words)


def is_over(evbd, kind, port="uplink0", seconds=8):
    gauge = f'evbd_problem{{port="{port or ""}",kind="{kind}"}} 0'
    eventually(lambda: gauge in evbd.ctl("metrics").stdout and kind not in evbd.ctl("status", "--json").stdout, seconds,
               f"{kind} is over\n{evbd.ctl('status').stdout}")
