# Links: a reading of all links is compared in one turn of the loop.
# file: Sources/Dataplane/LinkTable.swift
# swift: LinkTableTests
s/^    package static let comparedPerTurn = 256/    package static let comparedPerTurn = 1_000_000/
