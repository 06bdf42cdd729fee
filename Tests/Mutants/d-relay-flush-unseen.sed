# Guest filter: only the deletion of the whole table is noticed, not that of its rules.
# file: Sources/Nftables/TableMonitor.swift
# swift: TableNewsTests
s/\[tableRemoval, 5, 8, 11, 14\]/[tableRemoval]/
