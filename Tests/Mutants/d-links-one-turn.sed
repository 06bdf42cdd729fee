# Links: all that change at once are heard of in one turn of the loop.
# file: Sources/Dataplane/LinkTable.swift
# swift: LinkTableTests
s/if !fresh\.isEmpty \{ changes\.append\(contentsOf: fresh\) \}/for name in fresh { tell(name) }/
