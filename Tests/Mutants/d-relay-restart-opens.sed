# Guest filter: what an earlier run had closed is opened at a start, and closed again afterwards.
# file: Sources/EdgeRelays/GuestFilter/ClosedAddresses.swift
# swift: ClosedAddressesTests
s/^        current = former$/        current = []/
