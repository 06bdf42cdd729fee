# Guest filter: who waits for addresses that cannot be opened waits for ever.
# file: Sources/EdgeRelays/GuestFilter/ClosedQueue.swift
# swift: ClosedQueueTests
s/^    static let refusalsMax = 5/    static let refusalsMax = 7/
s/^        countRefusal\(problem\)/        if waiters.isEmpty { countRefusal(problem) }/
