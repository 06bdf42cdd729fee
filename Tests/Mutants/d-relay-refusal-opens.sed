# Guest filter: the address of an adopted link is opened when its VSI, refused meanwhile, is given up.
# file: Sources/EdgeRelays/Relay/EdgeRelay+Addresses.swift
# pytest: Tests/Interop/test_guest_unseen.py::test_SEC_53_a_refused_second_association_opens_nothing
s/^        stayClosed\(addresses, exceptAtLinkOf: .*$//
