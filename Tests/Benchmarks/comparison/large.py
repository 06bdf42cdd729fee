"""Many ports: 1,000 VSIs on each of 40 with evbd on both ends, and 64,000 at a bridge with VSI types, as a rack's switch has them."""

import multiprocessing
import os
import re
import time

from lab import Evbd, eventually
from lab.evbd import yaml
from lab.switch import Switch

from .clients import EvbdClient, FloorClient, spin
from .process import all_resident, processor_seconds
from .sizes import SETTLING, WINDOW
from .stage import VDP, associations, vsis

ROWS = ("ports-associated", "ports-cpu", "ports-keep-alive", "ports-bridge-keep-alive", "ports-memory", "ports-status",
        "rack-associated", "rack-cpu", "rack-keep-alive", "rack-memory", "rack-wait")
EACH, RACK = 1000, 64_000
# Seconds for all to be associated.
PATIENCE = 180
TIMERS = {"ecp": {"retries": 3, "rte": 14}, "vdp": VDP}


class Waiting:
    """A client, in a process of its own, that asks a daemon the same question all the time: how long its longest answer took, and how much of
    that is the kernel's, which had others run while the daemon's first thread, or the client, had something to do."""

    def __init__(self, connect, question, daemon):
        self._end, theirs = multiprocessing.Pipe()

        def work():
            client, most = connect(), (0.0, 0.0, 0.0)
            threads = [os.open(f"/proc/{pid}/task/{pid}/schedstat", os.O_RDONLY) for pid in (daemon, os.getpid())]
            while not theirs.poll():
                before = [waited(thread) for thread in threads]
                seconds = client.ask(question)[0]
                # What the thread waited for before the question may be counted only now, so that it may be more than the whole.
                if seconds > most[0]:
                    most = seconds, *(min(waited(thread) - former, seconds) for thread, former in zip(threads, before))
                time.sleep(0.001)
            theirs.send(most)
            os._exit(0)
        self._process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
        self._process.start()

    def end(self):
        """Seconds: the longest, and for how long of it at most the loop and the client waited for a processor."""
        self._end.send(None)
        assert self._end.poll(60), "the client still waits for an answer"
        longest = self._end.recv()
        self._process.join()
        return longest


def waited(schedstat):
    """Seconds for which a thread has been ready without a processor."""
    return int(os.pread(schedstat, 128, 0).split()[1]) / 1e9


class Site:
    """So many cables between an evbd in the station role and one in the bridge role, on a Linux bridge."""

    def __init__(self, lab, name, ports, types=False):
        host, switch = lab.namespace(f"{name}-host"), lab.namespace(f"{name}-switch")
        for number in range(ports):
            lab.veth(host, f"uplink{number}", f"02:00:00:0a:aa:{number:02x}", switch, f"port{number}", f"02:00:00:0a:bb:{number:02x}")
        file = lab.directory / f"{name}-types.yaml"
        file.write_text(yaml({"types": [{"name": "web", "type": 1}]}) + "\n")
        more = {"vsi-types": file} if types else {}
        self.names = [f"uplink{number}" for number in range(ports)]
        self.switch = Switch(lab, switch, ports=[f"port{number}" for number in range(ports)], stp=True)
        self.bridge = self.switch.evbd(name=f"{name}-bridge", ports=[{"interface": f"port{number}", **TIMERS, **more} for number in range(ports)],
                                       log={"level": "warning"})
        self.switch.wait_until_forwarding(60)
        self.station = Evbd(lab, host, name=f"{name}-station", log={"level": "warning"}, ports=[{"interface": port, **TIMERS} for port in self.names])
        eventually(lambda: sum(port["peer"] is not None for port in self.station.ctl_json("status")["ports"]) == ports, 60, "all ports hear the bridge")
        self.client, self.looker = EvbdClient(self.station), EvbdClient(self.station)

    def burst(self, each):
        """(seconds, the station's processor time, the bridge's) until all are associated; raises TimeoutError where that takes too long."""
        wanted = vsis(each * len(self.names))
        for number, vsi in enumerate(wanted):
            vsi["port"] = self.names[number % len(self.names)]
        questions = associations(wanted, wait=0)
        spent, began = self._spent(), time.perf_counter()
        self.client.call_all(questions)
        spin(lambda: self.looker.counts().get("associated") == len(wanted), PATIENCE, f"{len(wanted)} are associated", 0.005)
        return time.perf_counter() - began, *(after - before for after, before in zip(self._spent(), spent))

    def _spent(self):
        return [processor_seconds(evbd.pid) for evbd in (self.station, self.bridge)]

    def keep_alives(self):
        """Percent of a processor: the station's, the bridge's."""
        time.sleep(SETTLING)
        spent, began = self._spent(), time.perf_counter()
        time.sleep(WINDOW)
        seconds = time.perf_counter() - began
        return [100 * (after - before) / seconds for after, before in zip(self._spent(), spent)]

    def end(self):
        self.client.close()
        self.looker.close()
        for evbd in (self.station, self.bridge):
            evbd.process.stop(60)


def many_ports(lab, results, name, ports, each):
    site, total = Site(lab, name, ports), ports * each
    seconds, spent, _ = site.burst(each)
    results.add("ports-associated", "evbd", 1e3 * seconds)
    results.add("ports-cpu", "evbd", 1e6 * spent / total)
    status = EvbdClient.question("GetStatus")
    results.add("ports-status", "evbd", *(1e3 * site.client.ask(status)[0] for _ in range(20)))
    station, bridge = site.keep_alives()
    results.add("ports-keep-alive", "evbd", station)
    results.add("ports-bridge-keep-alive", "evbd", bridge)
    results.add("ports-memory", "evbd", all_resident(site.station.pid) / 1e6)
    site.end()


def rack(stage, results, name, ports, total):
    site = Site(stage.lab, name, ports, types=True)
    # The floor's station has nothing to do, so that what its client waits for is the machine.
    idle, connection = stage.station()
    waiting = Waiting(lambda: EvbdClient(site.bridge), EvbdClient.question("GetLogLevel"), site.bridge.pid)
    waiting_for_nothing = Waiting(lambda: connection, FloorClient.NOTHING, idle.pid)
    try:
        seconds, _, spent = site.burst(total // ports)
        results.add("rack-associated", "evbd", 1e3 * seconds)
        results.add("rack-cpu", "evbd", 1e6 * spent / total)
    except TimeoutError:
        there = site.looker.counts().get("associated", 0)
        results.remark("rack-wait", f"Only {there:,} of {total:,} were associated {PATIENCE} s after the first request, so that the rows of all of them have no figure.")
    longest, *unserved = waiting.end()
    results.add("rack-wait", "evbd", 1e3 * longest)
    results.add("rack-wait", "floor", 1e3 * waiting_for_nothing.end()[0])
    connection.close()
    idle.stop()
    explain(results, site, unserved)
    results.add("rack-memory", "evbd", all_resident(site.bridge.pid) / 1e6)
    if "rack-associated" in results.rows:
        results.add("rack-keep-alive", "evbd", site.keep_alives()[1])
    site.end()


def explain(results, site, unserved):
    """What the longest wait is made of: all of them share the machine's processors, which a bridge's station and clients do not."""
    loop, client = (f"{1e3 * seconds:.1f} ms" for seconds in unserved)
    computed = 1e3 * float(re.search(r"^evbd_loop_most_computed_seconds(?:\{[^}]*\})? (\S+)", site.bridge.ctl("metrics").stdout, re.M).group(1))
    former = results.remarks.get("rack-wait", "")
    results.remark("rack-wait", f"{former} Of that the bridge's loop was ready without a processor for {loop} at most, and the client for {client}; "
                                f"the most that the loop computed at a time is {computed:.1f} ms.".lstrip())


def measure(stage, results, scope):
    each, total = (10, 640) if scope.quick else (EACH, RACK)
    # One round: it takes as long as all of the others together.
    many_ports(stage.lab, results, "many", scope.ports, each)
    rack(stage, results, "rack", scope.ports, total)
    if scope.ports != 40:
        results.remark("ports-associated", f"with {scope.ports} ports.")
