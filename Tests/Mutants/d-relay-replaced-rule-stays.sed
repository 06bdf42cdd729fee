# Guest filter: the chain that loses a rule is not named, so that a replaced rule stays.
# file: Sources/Nftables/TableMonitor.swift
# swift: TableNewsTests
s/if type == Self.ruleRemoval, chains/if type == Self.tableRemoval, chains/
