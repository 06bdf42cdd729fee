# Bridge: the journal is never written as a whole again.
# file: Sources/EVBBridge/Admission/HoldingsJournal.swift
# swift: HoldingsJournalTests
s/\$0\.length \+ waiting\.count > max\(2 \* needed \+ Self\.slack, retryLength\)/$0.length < 0/
