# LLDP: an LLDPDU that says something else than the one before counts as the same.
# file: Sources/EVBProtocol/LLDPAgent.swift
# runs: 60
s/return isChanged \? \.updated : \.refreshed/return isChanged ? .ignored : .refreshed/
