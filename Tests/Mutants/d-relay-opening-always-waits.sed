# Guest filter: each association waits for the longest pause of the closed addresses.
# file: Sources/EdgeRelays/GuestFilter/GuestFilter.swift
# swift: GuestFilterQueueTests
s/min\(spent \* closedShare, closedGap\)/closedGap/
