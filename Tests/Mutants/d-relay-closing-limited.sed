# Links: after five corrections a link that may not send is left up.
# file: Sources/EVBDaemon/Links/EdgeRelay+Changes.swift
# pytest: Tests/Interop/test_guest_gate.py::test_SEC_52_closing_never_ends_without_the_gate_either
s/if isToBeClosed\(entry, link\) \{ return close/if entry.closingReports >= 0, isToBeClosed(entry, link) { return close/
s/^        entries\[vsiID\]\?\.corrections = -1$/        entries[vsiID]?.corrections = -1; if isToBeClosed(entry, link) { return finish(vsiID, .success(())) }/
