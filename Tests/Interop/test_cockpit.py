"""The page for Cockpit, in Debian's cockpit and chromium. The switch is a scripted one."""

import os
import signal

import pytest
from lab import eventually
from lab.cockpit import Cockpit, browser, missing
from lab.codec import ETHERTYPE_LLDP, LLDPDU, ethernet, mac
from lab.fixtures import Cable
from lab.scripted_bridge import ScriptedBridge
from lab.varlink import Control
from lab.pair import requests

pytest.importorskip("selenium")
from selenium.webdriver import ActionChains, Keys  # noqa: E402

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"needs {', '.join(missing())}")
HOSTILE = "<img src=x onerror=\"document.title='broken'\">"
SHOTS = os.environ.get("EVBD_SCREENSHOTS")


class NamedBridge(ScriptedBridge):
    """Its system name is markup."""

    def announce(self, ttl=20):
        pdu = LLDPDU(b"\x04" + mac(self._chassis), b"\x03" + mac(self._mac), ttl, ((5, HOSTILE.encode()), (127, self.evb.encode())) if ttl else ())
        self._socket.send(ethernet(self._mac, ETHERTYPE_LLDP, pdu.encode()))


class Bench:
    def __init__(self, cable):
        self.lab, self.host = cable.lab, cable.host
        self.bridge = NamedBridge(cable.switch, "port0")
        self.lab.at_end(self.bridge.stop)
        self.lab.directory.chmod(0o755)
        self.evbd = cable.evbd(control={"socket": self.lab.directory / "evbd-run" / "evbd.sock", "group": "root",
                                        "read-only": {"socket": self.lab.directory / "evbd-run" / "evbd-ro.sock"}}).wait_for_bridge()
        self.cockpit = Cockpit(self.lab, self.host, self.evbd.directory)
        self.driver = browser(self.lab, self.host)

    def open(self, cockpit=None):
        self.driver.get((cockpit or self.cockpit).url)
        self.shows("live", "live")

    def text(self, id):
        return self.driver.execute_script("return document.getElementById(arguments[0])?.innerText ?? ''", id)

    def shows(self, id, words, seconds=15):
        eventually(lambda: words in self.text(id), seconds, lambda: f"#{id} shows {words!r}; the page: {self.text('connection')!r} {self.driver.execute_script('return document.body.innerText')}")

    def shot(self, name):
        if SHOTS:
            self.driver.save_screenshot(f"{SHOTS}/{name}.png")


@pytest.fixture
def bench(new_lab):
    cable = Cable(new_lab())
    # chromedriver is reached from inside only, and every process from here on may as well be there.
    with cable.host.entered():
        yield Bench(cable)
        cable.lab.__exit__()


def test_CPT_101_the_page_shows_ports_and_follows(bench):
    """CPT-101 CPT-105 CPT-107 Port, switch and VSI are shown, a change shows without a reload; a hostile name is text; evbd comes again."""
    bench.open()
    bench.shows("ports", "uplink0")
    bench.shows("ports", "<img src=x")
    assert "[object" not in bench.text("content") and "Reflective relay" in bench.text("ports")
    assert bench.driver.title != "broken" and not bench.driver.find_elements("css selector", "#ports img")
    vsi = requests(1)[0]["vsiID"]
    bench.evbd.associate(vsi, "--label", "vm1")
    bench.shows("table", "vm1")
    bench.shows("table", "associated")
    row = bench.driver.find_element("css selector", "#table tr[data-index]")
    row.send_keys("\ue007")
    bench.shows("details", "1193047 version 0")
    assert "[object" not in bench.text("details") and "52:54:00:11:22:33" in bench.text("details")
    bench.shot("normal")
    bench.driver.execute_script("localStorage.setItem('shell:style', 'dark'); location.reload()")
    bench.shows("table", "vm1")
    assert bench.driver.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(21, 21, 21)"
    bench.shot("dark")
    bench.evbd.terminate()
    bench.shows("connection", "systemctl enable --now evbd")
    bench.evbd.start()
    bench.shows("live", "live")
    bench.shows("table", "vm1")


def test_CPT_109_channels_and_a_second_port(bench):
    """CPT-109 The channels of an uplink stand in a table of their own, each with its number, its tag and why it is not there; ports that come
    with a reload are shown without one of the page's."""
    bench.open()
    bench.shows("ports", "uplink0")
    assert not bench.driver.find_element("id", "channels-section").is_displayed()
    bench.host.ip("link", "add", "second0", "type", "veth", "peer", "name", "second1")
    bench.evbd.config["ports"] = [{"interface": "uplink0", "s-channels": {"channels": [{"scid": 2, "name": "red"}, {"scid": 3}]}}, {"interface": "second0"}]
    bench.evbd.write_config()
    bench.evbd.process.signal(signal.SIGHUP)
    bench.shows("ports", "second0")
    bench.shows("channels", "red")

    def rows():
        script = "return [...document.querySelectorAll('#channels tr')].map(row => [...row.cells].map(cell => cell.innerText))"
        return bench.driver.execute_script(script)

    def told():
        ports = bench.evbd.ctl_json("status")["ports"]
        return [[port["interface"], "uplink0", str(port["channel"]["scid"]), "none", port["channel"]["reason"]] for port in ports if port["channel"]]
    # Why they are not there changes with what evbd has tried, here on a kernel without VLAN devices.
    eventually(lambda: rows() == told() and all(row[4] for row in rows()), 15, lambda: f"{rows()} is {told()}")
    assert [row[:3] for row in rows()] == [["red", "uplink0", "2"], ["uplink0.c3", "uplink0", "3"]]
    bench.shot("channels")
    # As on a telephone: nothing stands beside the page.
    bench.driver.set_window_size(500, 900)
    width = "return [document.documentElement.scrollWidth, window.innerWidth]"
    eventually(lambda: bench.driver.execute_script(width)[1] <= 500, 10, "the window is narrow")
    needed, there = bench.driver.execute_script(width)
    assert needed <= there, f"{needed} of {there} pixels"
    bench.shot("narrow")


def test_CPT_104_a_user_without_rights(bench):
    """CPT-104 By the read-only socket all is seen, and nothing may be pressed; the page says why."""
    reader = Cockpit(bench.lab, bench.host, bench.evbd.directory, uid=65534, port=9091)
    bench.open(reader)
    bench.shows("ports", "uplink0")
    bench.shows("rights", "members of the group evbd")
    assert not bench.driver.find_element("id", "associate").is_enabled()
    # Without such a socket there is nothing to see, and what would help is said.
    (bench.lab.directory / "evbd-run" / "evbd-ro.sock").unlink()
    bench.driver.refresh()
    bench.shows("connection", "You may not use evbd's socket")
    bench.shows("connection", "control.read-only")
    # In newer Cockpits the bridge is another program, which tells of a socket that it cannot open in other words.
    said = bench.driver.execute_async_script("""
        const done = arguments[arguments.length - 1];
        import("./varlink.js").then(({ problemOf }) => done([
            { problem: "terminated", message: "[Errno 13] Permission denied" }, { problem: "terminated", message: "[Errno 2] No such file or directory" },
            { problem: "terminated" }, { problem: "access-denied" }, {}].map(problemOf)))""")
    assert said == ["access-denied", "not-found", "terminated", "access-denied", None]


def test_CPT_103_a_thousand_VSIs(bench):
    """CPT-103 A thousand are listed with a bounded number of rows; the filter finds one."""
    control = Control(bench.evbd.socket)
    bench.lab.at_end(control.close)
    control.call_all("Associate", [{**each, "label": f"vm{number}"} for number, each in enumerate(requests(1000))])
    bench.open()
    bench.shows("count", "1000 of 1000", 30)
    assert len(bench.driver.find_elements("css selector", "#table tr[data-index]")) < 60
    bench.shot("thousand")
    # By keyboard to the last row, which was no element before; and the other way round by the head of a column.
    bench.driver.find_element("css selector", "#table tr[data-index]").send_keys(Keys.END)
    eventually(lambda: "vm999" in bench.driver.switch_to.active_element.text, 5, "the last row has the focus")
    bench.driver.switch_to.active_element.send_keys(Keys.ARROW_UP)
    eventually(lambda: "vm998" in bench.driver.switch_to.active_element.text, 5, "the row above has it")
    bench.driver.find_element("css selector", "#table th button").send_keys(Keys.ENTER)
    bench.driver.execute_script("document.querySelector('.window').scrollTop = 0")
    first = lambda: bench.driver.execute_script("return document.querySelector('#table tr[data-index=\"0\"]')?.innerText ?? ''")
    eventually(lambda: first().startswith("vm999"), 5, lambda: f"the last is the first: {first()}")
    bench.driver.find_element("id", "filter").send_keys("vm777")
    bench.shows("count", "1 of 1000")
    bench.shows("table", "vm777")


def test_CPT_106_a_refusal_is_put_right_by_keyboard(bench):
    """CPT-102 CPT-106 Associate, retry and de-associate without a mouse; a refusal and its remedy show in the dialog and as a problem."""
    bench.bridge.answer = lambda request: request.answered(2)
    bench.open()
    press = ActionChains(bench.driver)
    bench.driver.find_element("id", "associate").send_keys(Keys.ENTER)
    # Port, type, version, manager, MAC address, VLAN, label.
    bench.driver.switch_to.active_element.send_keys(Keys.TAB)
    press.send_keys("7", Keys.TAB, Keys.TAB, Keys.TAB, "52:54:00:00:00:07", Keys.TAB, Keys.TAB, "vm7", Keys.ENTER).perform()
    bench.shows("dialog", "insufficient-resources")
    bench.shows("problems", "insufficient-resources")
    bench.shot("problem")
    ActionChains(bench.driver).send_keys(Keys.ESCAPE).perform()
    vsi, = bench.evbd.vsis()
    bench.bridge.answer = lambda request: request.answered()
    bench.driver.find_element("css selector", "#table tr[data-index]").send_keys(Keys.ENTER)
    assert bench.driver.switch_to.active_element.get_attribute("id") == "details-title"
    ActionChains(bench.driver).send_keys(Keys.TAB, Keys.ENTER).perform()
    bench.shows("details", "The switch has granted it")
    assert bench.evbd.state(vsi) == "associated"
    ActionChains(bench.driver).send_keys(Keys.TAB, Keys.ENTER).perform()
    bench.shows("dialog", "Its machine loses its network")
    ActionChains(bench.driver).send_keys(Keys.ENTER).perform()
    bench.shows("outcome", "vm7 is de-associated")
    bench.shows("count", "0 of 0")
    assert bench.evbd.vsis() == {}
