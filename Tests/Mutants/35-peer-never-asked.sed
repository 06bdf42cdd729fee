# EVB: the peer is not asked whether it is there, whichever other is heard.
# file: Sources/EVBProtocol/Common/PeerLinkPort+Takeover.swift
# swift: TakeoverTests
s/if lldpdu\.chassisID != peer\.chassisID \{/if lldpdu.chassisID != peer.chassisID, !link.isUp {/
