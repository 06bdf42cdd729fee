"""evbd's control socket without evbctl: many calls at a time, and the stream of events. NUL-terminated JSON, see varlink.org."""

import fcntl
import json
import select
import socket
import sys
import termios
import threading
import time


class CallFailed(Exception):
    """The daemon's reply is an error."""

    def __init__(self, reply):
        super().__init__(f"{reply['error']}: {reply.get('parameters')}")
        self.error = reply["error"]


class Control:
    """A connection to an evbd."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))
        self._rest = b""

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _send(self, *messages):
        self._socket.sendall(b"".join(json.dumps(message).encode() + b"\0" for message in messages))

    def _reply(self):
        while b"\0" not in self._rest:
            octets = self._socket.recv(1 << 20)
            if not octets:
                raise ConnectionError("evbd has closed the connection")
            self._rest += octets
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)

    def call_all(self, method, parameters):
        """One call for each of the parameters, all of them sent before the first reply is read. A refused one raises."""
        calls = [{"method": f"io.evbd.{method}", "parameters": each} for each in parameters]
        sender = threading.Thread(target=self._send, args=calls)
        sender.start()
        replies = [self._reply() for _ in parameters]
        sender.join()
        for reply in replies:
            if "error" in reply:
                raise CallFailed(reply)
        return [reply["parameters"] for reply in replies]

    def call(self, method, **parameters):
        return self.call_all(method, [parameters])[0]

    def begin(self, method, **parameters):
        """Sends a call and does not wait for its reply; `finish` gives that."""
        self._send({"method": f"io.evbd.{method}", "parameters": parameters})

    def finish(self, seconds=10):
        """The reply to the call that was begun; a refusal raises CallFailed, silence TimeoutError."""
        self._socket.settimeout(seconds)
        try:
            reply = self._reply()
        finally:
            self._socket.settimeout(None)
        if "error" in reply:
            raise CallFailed(reply)
        return reply["parameters"]

    @property
    def answered(self):
        """Something of a reply is there."""
        return bool(self._rest or select.select([self._socket], [], [], 0)[0])

    @property
    def unread(self):
        """How many octets have arrived and wait to be read."""
        waiting = fcntl.ioctl(self._socket, termios.FIONREAD, bytes(4))
        return len(self._rest) + int.from_bytes(waiting, sys.byteorder)

    def subscribe(self, method):
        """Begins a streaming method; `stream` gives what it says."""
        self._send({"method": f"io.evbd.{method}", "parameters": {}, "more": True})

    def stream(self):
        """What the streaming method says, until the connection ends."""
        while True:
            try:
                reply = self._reply()
            except (ConnectionError, OSError):
                return
            if "error" in reply:
                raise CallFailed(reply)
            yield reply["parameters"]


class Events:
    """All that an evbd tells to those who monitor it: (time.monotonic(), event)."""

    def __init__(self, lab, path):
        self.seen = []
        self._control = Control(path)
        self._control.subscribe("Monitor")
        # evbd does not say that it has taken the subscription. What is asked on another connection afterwards comes after it.
        other = Control(path)
        other.call("GetVersion")
        other.call("GetVersion")
        other.close()
        threading.Thread(target=self._work, daemon=True).start()
        lab.at_end(self._control.close)

    def _work(self):
        for said in self._control.stream():
            self.seen.append((time.monotonic(), said["event"]))

    def vsi_changes(self, since=0.0):
        """(time, VSIID, from, to, reason)."""
        return [(at, event["vsiID"], event["from"], event["to"], event["reason"])
                for at, event in list(self.seen) if event["kind"] == "vsi" and at >= since]
