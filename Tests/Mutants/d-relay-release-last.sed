# Guest filter: what is closed while the release of a port's gate waits is deleted by that release.
# file: Sources/EdgeRelays/GuestFilter/ClosedQueue.swift
# swift: ClosedQueueTests
s/guard releases\[entry\.port\] == nil else/guard releases[entry.port] != .max else/
