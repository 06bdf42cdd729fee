"""A lab of network namespaces, with evbd, Debian's lldpad and raw frames in it. Python standard library only."""

from .evbd import Evbd
from .lldpad import Lldpad
from .scripted_bridge import ScriptedBridge
from .system import Lab, Namespace, Process, eventually
from .wire import Wire

__all__ = ["Evbd", "Lab", "Lldpad", "Namespace", "Process", "ScriptedBridge", "Wire", "eventually"]
