# Station: frames to any address count.
# file: Sources/EVBProtocol/Common/PeerLinkPort.swift
# swift: DestinationTests
s/guard link\.configuration\.addresses\.includes\(frame\.header, own: link\.configuration\.address\) else/guard link.configuration.addresses.includes(frame.header, own: link.configuration.address) || Role.Negotiation.ownRole == .station else/
