# VDP, station: what a bridge has refused before it restarted in silence stays refused.
# file: Sources/EVBProtocol/Station/VDPStation+Time.swift
# swift: HealingTests
s/\} else if vsi\.machine\.state == \.initial, vsi\.interest != \.withdrawn \{/} else if vsi.machine.state == .initial, vsi.interest == .withdrawn {/
