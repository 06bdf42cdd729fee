# Links: a reading counts during which news were lost again.
# file: Sources/Dataplane/LinkTable.swift
# swift: LinkTableTests
s/case \.underWay: isOverrun = true/case .underWay: break/
