# Both roles: an unreadable frame to another address is counted as the peer's.
# file: Sources/EVBProtocol/Common/PeerLink.swift
# swift: DestinationTests
s/guard configuration\.addresses\.includes\(header, own: configuration\.address\) else/guard configuration.addresses.includes(header, own: configuration.address) || isUp else/
