# Links: after five corrections a link that may not send is left up.
# file: Sources/EdgeRelayMachine/RelayMachine.swift
# pytest: Tests/Interop/test_guest_gate.py::test_SEC_52_closing_never_ends_without_the_gate_either
s/guard let operation = plan, isAllowed/guard let operation = plan, slot.closingReports != .exhausted, isAllowed/
