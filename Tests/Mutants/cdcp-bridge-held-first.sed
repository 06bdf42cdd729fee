# CDCP: what is held for a channel's return is given to others first.
# file: Sources/EVBProtocol/Channels/CDCPBridge.swift
# swift: CDCPUplinkTests
s/last: Set\(held\.values\)/last: []/
