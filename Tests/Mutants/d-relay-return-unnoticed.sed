# Edge relay: a link that was in a container when evbd was started again is not noticed when it comes back.
# file: Sources/EdgeRelayMachine/RelayMachine+News.swift
# pytest: Tests/Interop/test_guest_unseen.py::test_SEC_54_a_link_that_comes_back_after_a_restart
s/case \.inOtherNamespace: _ = lookForReturn\(.*$/case .inOtherNamespace: break/
