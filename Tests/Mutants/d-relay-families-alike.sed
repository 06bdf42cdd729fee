# Guest filter: chains of one name in the tables of inet and arp are counted together, so that the loss of one is not seen.
# file: Sources/EdgeRelays/GuestFilter/GuestRules.swift
# swift: GuestRulesTests
s/family == "netdev" \? chain : "\\\(family\) \\\(chain\)"/chain/
