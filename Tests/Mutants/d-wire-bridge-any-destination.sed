# Bridge: frames to any address count.
# file: Sources/EVBProtocol/Common/PeerLinkPort.swift
# swift: DestinationTests
s/guard link\.configuration\.addresses\.includes\(frame\.header\) else/guard link.configuration.addresses.includes(frame.header) || Role.Negotiation.ownRole == .bridge else/
