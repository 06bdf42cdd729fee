# Port: the draft's ECP counts at the address of the ratified dialect.
# file: Sources/EVBProtocol/Common/GroupAddresses.swift
# swift: DestinationTests
s/header\.destination == WireDialect\.draft\.ecpAddress/header.destination == WireDialect.ratified.ecpAddress/
