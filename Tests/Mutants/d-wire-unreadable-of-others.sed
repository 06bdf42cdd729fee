# Bridge: an unreadable frame to another address is counted as the station's.
# file: Sources/EVBProtocol/Bridge/BridgePort+Receive.swift
# swift: DestinationTests
s/guard configuration\.addresses\.includes\(header\) else/guard configuration.addresses.includes(header) || isLinkUp else/
