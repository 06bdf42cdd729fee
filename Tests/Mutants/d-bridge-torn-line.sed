# Bridge: the torn last line of the journal is taken.
# file: Sources/EVBBridge/Admission/Holding.swift
# swift: HoldingsJournalTests
s/words\[words\.count - 1\]\.elementsEqual\("\."\.utf8\), let/!words[words.count - 1].isEmpty, let/
