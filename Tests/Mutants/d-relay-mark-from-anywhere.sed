# Guest filter: who sets evbd's mark is evbd, in a container's network namespace too.
# file: Sources/EdgeRelays/GuestFilter/GuestRules.swift
# swift: GuestRulesTests
s/"\\\(fromHostSocket\) meta mark/"meta mark/
