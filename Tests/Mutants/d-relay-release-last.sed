# Guest filter: what is closed while the release of a port's gate waits is deleted by that release.
# file: Sources/EdgeRelays/GuestFilter/ClosedQueue.swift
# swift: ClosedQueueTests
s/guard port\.releases == 0 else \{$/guard port.releases < .max else {/
