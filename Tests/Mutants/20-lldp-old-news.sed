# LLDP: what a neighbour said first is all that is ever heard of it; later LLDPDUs only refresh it.
# file: Sources/EVBProtocol/Common/LLDPAgent.swift
# runs: 40
s/neighbours\[index\] = neighbour$/neighbours[index].expiry = neighbour.expiry/
