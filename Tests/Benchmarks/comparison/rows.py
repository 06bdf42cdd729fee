"""The rows of the table: what is measured, in which unit, and what it is to reach."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Target:
    """`most`: evbd's figure is at most that. `floors`: at most so many times the floor's. `times`: lldpad's is at least so many times evbd's."""

    most: float | None = None
    floors: float | None = None
    times: float | None = None

    def text(self, unit):
        if self.most is not None:
            return f"≤ {self.most:g} {unit}".strip()
        return f"≤ {self.floors:g} x floor" if self.floors is not None else f"≥ {self.times:g} x lldpad"

    def is_met(self, medians):
        """None where what it compares with was not measured."""
        evbd = medians.get("evbd")
        other = {"most": evbd, "floors": medians.get("floor"), "times": medians.get("lldpad")}
        if evbd is None or other[next(name for name in other if getattr(self, name) is not None)] is None:
            return None
        if self.most is not None:
            return evbd <= self.most
        return evbd <= self.floors * medians["floor"] if self.floors is not None else medians["lldpad"] >= self.times * evbd


@dataclass(frozen=True)
class Row:
    name: str
    what: str
    unit: str
    targets: tuple = ()
    # subject -> what is measured there, where that is not the same.
    notes: dict = field(default_factory=dict, hash=False)


def most(value):
    return (Target(most=value),)


ROWS = [
    Row("association", "one association, control socket (connection stays)", "us", (Target(floors=2), Target(times=14)),
        {"lldpad": "by netlink, polled each 0.1 ms"}),
    Row("association-churn", "the same, of the address of the VSI that was released right before", "us"),
    Row("netlink", "one association by netlink, polled as libvirt does", "ms", most(0.15)),
    Row("netlink-open", "the same by netlink without `gate: down`", "ms"),
    Row("burst-1000", "burst of 1,000, all associated", "ms", (Target(times=50),)),
    Row("burst-10000", "burst of 10,000, all associated", "ms"),
    Row("burst-cpu-1000", "burst of 1,000: processor time for each VSI", "us", most(45)),
    Row("burst-cpu-10000", "burst of 10,000: processor time for each VSI", "us", most(45)),
    Row("release-10000", "release of 10,000", "ms", most(400)),
    Row("release-restarted", "release of 10,000 right after a restart", "ms"),
    Row("restart-answers", "restart with 10,000 stored: the socket answers", "ms", most(50)),
    Row("restart-associated", "restart with 10,000 stored: all associated", "ms", most(250)),
    Row("keep-alive", "keep-alives of 10,000 (RKA 20): processor", "%", most(0.25), {"lldpad": "of 1,000"}),
    Row("keep-alive-instructions", "instructions for a keep-alive", "", most(8000), {"evbd": "Tests/Guards/baseline.json"}),
    Row("keep-alive-allocations", "allocations for a keep-alive", "", most(0), {"evbd": "Tests/Guards/baseline.json"}),
    Row("turn-metrics", "longest turn of the loop at 10,000: metrics", "ms", most(2)),
    Row("turn-down", "longest turn of the loop at 10,000: link down", "ms", most(2)),
    Row("turn-up", "longest turn of the loop at 10,000: link up", "ms", most(2)),
    Row("turn-list", "longest turn of the loop at 10,000: list", "ms", most(2)),
    Row("turn-status", "longest turn of the loop at 10,000: status", "ms", most(2)),
    Row("status", "GetStatus at 10,000", "ms", most(0.1)),
    Row("list", "ListVSIs at 10,000, for each VSI", "us", most(3)),
    Row("links-made", "1,000 macvtaps made", "ms", (Target(floors=1.3),), {"floor": "`ip -batch`"}),
    Row("links-removed", "1,000 macvtaps removed", "ms", most(1000), {"floor": "`ip link del group`"}),
    Row("link-filter", "one more link beside 1,000, guest filter on", "ms", most(1.2), {"floor": "two requests of netlink, make and set up, without VSI or filter"}),
    Row("link-bare", "one more link beside 1,000, guest filter off", "ms", notes={"floor": "the same"}),
    Row("rss", "resident memory (data) for each of 10,000 VSIs", "kB", most(0.8), {"lldpad": "of 1,000"}),
    Row("private", "private memory (dirty pages), idle", "MB", most(1.5)),
    Row("store", "burst of 1,000, store on a disk: processor time for each VSI", "us", (Target(floors=1.5),), {"floor": "evbd's store in memory"}),
    Row("version", "`evbctl --version`, whole process", "ms", (), {"lldpad": "`lldptool -v`"}),
    Row("evbctl-status", "`evbctl status`, whole process", "ms", most(3), {"lldpad": "`lldptool get-lldp`", "floor": "a C program that prints a line"}),
    Row("evbctl-size", "evbctl, stripped", "MB", most(9), {"lldpad": "lldptool"}),
    Row("evbd-size", "evbd, stripped", "MB", most(11)),
    Row("ports-associated", "40 ports x 1,000, evbd on both ends: all associated", "ms", most(3000)),
    Row("ports-cpu", "40 ports x 1,000: processor time for each VSI", "us", most(45)),
    Row("ports-keep-alive", "40 ports x 1,000: keep-alives, processor", "%", most(1.2)),
    Row("ports-bridge-keep-alive", "40 ports x 1,000: keep-alives, processor of the bridge", "%", most(1)),
    Row("ports-memory", "40 ports x 1,000: resident memory", "MB", most(45)),
    Row("ports-status", "40 ports x 1,000: GetStatus", "ms", most(0.1)),
    Row("rack-associated", "64,000 VSIs in a bridge role with types: all associated", "ms"),
    Row("rack-cpu", "64,000 VSIs in a bridge role: processor time for each VSI", "us"),
    Row("rack-keep-alive", "64,000 VSIs in a bridge role: keep-alives, processor", "%"),
    Row("rack-memory", "64,000 VSIs in a bridge role: resident memory", "MB"),
    Row("rack-wait", "64,000 VSIs in a bridge role: the longest that a client waits", "ms", most(5),
        {"floor": "a client of the floor's station, which has nothing to do, at the same time"}),
]
BY_NAME = {row.name: row for row in ROWS}
SUBJECTS = ("floor", "evbd", "lldpad")
# name -> (what is drawn, its unit, by which power of ten the axis goes)
CURVES = {
    "burst": ("Burst: from the first request until all are associated", "ms"),
    "burst-cpu": ("Burst: processor time for each VSI", "us"),
    "release": ("Release of all", "ms"),
    "restart": ("Restart: until all are associated", "ms"),
    "keep-alive": ("Keep-alives at RKA 20: processor", "%"),
    "status": ("GetStatus", "ms"),
    "list": ("ListVSIs, for each VSI", "us"),
    "rss": ("Resident memory (data), above that without a VSI", "kB"),
}
