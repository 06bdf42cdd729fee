# Port: with a further group address configured every group address counts.
# file: Sources/EVBProtocol/Common/GroupAddresses.swift
# swift: DestinationTests
s/if let further, header\.destination == further/if further != nil, header.destination.isGroup/
