"""Debian's cockpit in a namespace of the lab, with evbd's page, and a browser beside it."""

import contextlib
import shutil
import socket
from pathlib import Path

from .system import REPOSITORY, eventually

PORT, DRIVER_PORT = 9090, 9515
WS = Path("/usr/lib/cockpit/cockpit-ws")


def missing():
    """What the tests want and is not there."""
    return [str(path) for path in (WS, Path("/usr/bin/cockpit-bridge"), Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")) if not path.exists()]


class Cockpit:
    """cockpit-ws without a login: its bridge is a process of the given user. evbd's runtime directory is /run/evbd there."""

    def __init__(self, lab, namespace, run_directory, uid=0, port=PORT):
        self.namespace, self.port = namespace, port
        home = lab.directory / f"cockpit{port}"
        shutil.copytree(REPOSITORY / "Packaging/cockpit", home / "cockpit/evbd")
        become = f"setpriv --reuid {uid} --regid {uid} --clear-groups " if uid else ""
        # A /run of its own: nothing of the machine's is touched.
        words = (f"mount -t tmpfs none /run && mkdir /run/evbd && mount --bind {run_directory} /run/evbd && "
                 f"export XDG_DATA_DIRS={home}:/usr/share HOME={home} && exec {become}{WS} --local-session=/usr/bin/cockpit-bridge --no-tls --address=127.0.0.1 --port={port}")
        self.process = lab.start("cockpit-ws", namespace.command("unshare", "--mount", "sh", "-c", words))
        eventually(self._serves, 10, f"cockpit serves\n{self.process.tail()}")

    def _serves(self):
        with self.namespace.entered(), contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/cockpit/@localhost/evbd/index.html"


def browser(lab, namespace):
    """A chromium in the namespace. The caller is in the namespace whenever it talks to it."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,1000", f"--user-data-dir={lab.directory}/browser"):
        options.add_argument(word)
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver", port=DRIVER_PORT), options=options)
    lab.at_end(driver.quit)
    return driver
