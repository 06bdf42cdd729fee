# Edge relay: each link is looked for in a search of its own.
# file: Sources/EdgeRelays/HostLinks/HostLinks+Search.swift
# swift: RelaySearchTests
s/^        \(searching\.current, searching\.next\) = \(searching\.next, \[:\]\)/        if let (key, value) = searching.next.popFirst() { searching.current = [key: value] }/
