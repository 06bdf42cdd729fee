# The bridge: a comparison takes an address back that another box has now.
# file: Sources/BridgeDataplane/PortFilter/BridgeEnforcer+Compare.swift
# swift: otherBox
s/if try isElsewhere\(item, port\) \{/if false {/
