# Bridge: news of removed forwarding entries are dropped by the filter of the socket.
# file: Sources/Netlink/BridgeMonitor.swift
# swift: BridgeNewsTests
s/number\(Int\(NUD_NOARP\)\), skip: 1/number(Int(NUD_PERMANENT)), skip: 1/
