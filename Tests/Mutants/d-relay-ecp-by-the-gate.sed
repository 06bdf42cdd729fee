# Guest filter: the port's gate lets ECP and tagged frames of the host's own sockets, and so of machines' macvtaps, pass.
# file: Sources/EdgeRelays/GuestFilter/GuestRules.swift
# swift: GuestRulesTests
/"ether type \{ \\\(ecpAndTags\) \} \\\(reserved\) counter drop",$/d
