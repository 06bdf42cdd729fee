# Edge relay: a link that was in a container when evbd was started again is not noticed when it comes back.
# file: Sources/EVBDaemon/Links/EdgeRelay+Changes.swift
# pytest: Tests/Interop/test_guest_unseen.py::test_SEC_54_a_link_that_comes_back_after_a_restart
s/if entry\.isElsewhere \{ return lookForReturn/if entry.isElsewhere, entry.link != nil { return lookForReturn/
