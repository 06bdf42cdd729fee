public import EVBWire

/// Whose ECP frames a port takes: the standard does not say, and leaves it to policy.
public enum ECPSource: Hashable, Sendable {
    /// Those of the EVB neighbour that LLDP knows: from the address that its LLDPDUs come from, or from one that they name as its
    /// chassis or its port. Other neighbours of its chassis are the same to ``PeerLink``.
    case neighbour
    /// Those from any address, as soon as LLDP knows an EVB neighbour.
    case any

    /// Whether a frame from an address is to be taken.
    func takes(_ source: MACAddress, with peer: EVBPeer) -> Bool { self == .any || peer.hasAddress(source) }
}

extension EVBPeer {
    /// All addresses that the neighbour has given as its own, one to three.
    public var addresses: [MACAddress] {
        var addresses = [address]
        let names = [
            chassisID.subtype == LLDPIdentifier.chassisMACAddress ? MACAddress(octets: chassisID.octets) : nil,
            portID.subtype == LLDPIdentifier.portMACAddress ? MACAddress(octets: portID.octets) : nil,
        ]
        for name in names.compactMap(\.self) where !addresses.contains(name) { addresses.append(name) }
        return addresses
    }

    /// Whether an address is one that the neighbour has given as its own.
    func hasAddress(_ candidate: MACAddress) -> Bool {
        candidate == address || chassisID == .chassis(candidate) || portID == .port(candidate)
    }
}
