# Station: frames to any address count.
# file: Sources/EVBProtocol/Station/StationPort+Receive.swift
# swift: DestinationTests
s/guard configuration\.addresses\.includes\(frame\.header\) else/guard configuration.addresses.includes(frame.header) || isLinkUp else/
