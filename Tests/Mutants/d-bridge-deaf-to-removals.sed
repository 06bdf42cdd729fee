# Bridge: news of removed forwarding entries are dropped by the filter of the socket.
# file: Sources/Netlink/BridgeMonitor.swift
# swift: BridgeNewsTests
s/number\(Int\(NUD_NOARP\)\)\)/number(Int(NUD_DELAY)))/
