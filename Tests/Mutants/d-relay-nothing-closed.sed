# Guest filter: no address is ever closed.
# file: Sources/EVBDaemon/Links/ClosedAddresses.swift
# swift: ClosedAddressesTests
s/return count\.closed > 0 && count\.open == 0/return count.closed > 0 \&\& count.open < 0/
