# Both roles: an unreadable frame to another address is counted as the peer's.
# file: Sources/EVBProtocol/Common/PeerLink.swift
# swift: DestinationTests
s/guard configuration\.addresses\.includes\(header\) else/guard configuration.addresses.includes(header) || isUp else/
