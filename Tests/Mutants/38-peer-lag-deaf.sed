# ECP: other ports of the peer's chassis are strangers.
# file: Sources/EVBProtocol/Common/PeerLinkPort+Takeover.swift
# swift: TakeoverTests
s/\|\| relatives\.contains \{ .* \}$/|| false/
