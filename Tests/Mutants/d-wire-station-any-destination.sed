# Station: frames to any address count.
# file: Sources/EVBProtocol/Port+Receive.swift
# swift: DestinationTests
s/guard configuration\.addresses\.includes\(frame\.header\) else/guard configuration.addresses.includes(frame.header) || isLinkUp else/
