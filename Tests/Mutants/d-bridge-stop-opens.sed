# VSI types: a stop takes back what keeps strangers out.
# file: Sources/EVBDaemon/PortCollection.swift
# pytest: Tests/Interop/test_bridge_addresses.py::test_SEC_61_a_restart_never_opens_a_policed_port
s/for port in running\.map\(\\\.port\) \{ port\.stop\(\) \}/for port in running.map(\\.port) { port.close() }/
