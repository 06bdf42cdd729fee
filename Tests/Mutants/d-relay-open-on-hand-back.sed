# Guest filter: a machine whose VSI is given up sends again while its link is there.
# file: Sources/EdgeRelays/GuestFilter/ClosedAddresses.swift
# swift: ClosedAddressesTests
s/return changes \+ forget\(vsiID\)/return changes + forget(vsiID) + linkGone(index)/
