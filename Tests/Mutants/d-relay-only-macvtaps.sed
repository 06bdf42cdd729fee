# Guest filter: links of other kinds than macvtap are no machines'.
# file: Sources/EdgeRelays/GuestFilter/GuestLinks.swift
# swift: GuestPlacesTests
s/\["macvtap", "macvlan", "ipvlan", "ipvtap"\]/["macvtap"]/
