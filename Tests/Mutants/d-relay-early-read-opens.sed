# Guest filter: a read of the port's table that began before a container's VSI was given up opens its address.
# file: Sources/EdgeRelays/GuestFilter/ClosedAddresses.swift
# swift: ClosedAddressesTests
s/\$0\.value < number \&\& //
