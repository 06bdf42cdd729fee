# VSI types: a stop withdraws the rules of its VSIs.
# file: Sources/EVBBridge/BridgePortController+Effects.swift
# pytest: Tests/Interop/test_bridge_addresses.py::test_SEC_61_a_restart_never_opens_a_policed_port
s/if life != \.stopping \{ seat\.released/if !name.isEmpty { seat.released/
