# Guest filter: rules that could not be restored are not tried again.
# file: Sources/EdgeRelays/GuestFilter/GuestFilter.swift
# swift: GuestFilterRestoringTests
s/^        comparisonTimer\?\.set\(timers\.now \+ max\(delay, .*/        _ = delay/
