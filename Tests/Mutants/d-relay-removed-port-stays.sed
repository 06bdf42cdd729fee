# Daemon: a removed port whose switch does not answer leaves its links and files.
# file: Sources/EVBDaemon/PortCollection.swift
# pytest: Tests/Interop/test_guest_gate.py::test_SEC_128_a_removed_port_leaves_nothing
s/^        port\.abandonAll\(\)$/        close(departure)/
