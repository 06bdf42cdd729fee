# Links: a reading of all links counts more than news that came while it was made.
# file: Sources/Dataplane/LinkTable.swift
# swift: LinkTableTests
s/ where !heard\.contains\(index\)//
