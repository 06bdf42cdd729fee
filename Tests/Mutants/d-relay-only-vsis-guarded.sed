# Guest filter: only links of VSIs get rules, and these when the VSI is associated.
# file: Sources/EdgeRelays/GuestFilter/GuestLinks.swift
# pytest: Tests/Interop/test_guest_gate.py::test_SEC_41_no_machine_on_the_port_speaks_for_the_host
s/^        guard entries\[link\.index\]\?\.rules != rules else \{ return \}$/        guard link.alias?.hasPrefix("evbd ") == true, entries[link.index]?.rules != rules else { return }/
