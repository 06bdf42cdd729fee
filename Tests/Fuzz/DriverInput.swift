import EVBWire

/// An input's octets as the drivers of ports read them. Octets behind the end are zero.
struct DriverInput {
    private var rest: ArraySlice<UInt8>

    init(_ octets: [UInt8]) { rest = octets[...] }

    var isEmpty: Bool { rest.isEmpty }

    mutating func next() -> UInt8 { rest.popFirst() ?? 0 }

    mutating func word() -> UInt16 { UInt16(next()) << 8 | UInt16(next()) }

    /// Up to `count` octets.
    mutating func octets(_ count: Int) -> [UInt8] {
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    /// EVB TLVs of a peer, all alike: one mostly, else none, one or two.
    mutating func evbTLVs(_ bridgeStatus: BridgeStatus, otherwise mode: EVBMode) -> [LLDPDU.OptionalTLV] {
        let (stationStatus, retry, delay, keepAlive) = (next(), next(), next(), next())
        let tlv = EVBTLV(
            bridgeStatus: bridgeStatus,
            stationStatus: StationStatus(
                groupIDs: stationStatus & 0x08 != 0, reflectiveRelayRequest: stationStatus & 0x04 != 0,
                reflectiveRelayStatus: ReflectiveRelayStatus(rawValue: stationStatus & 0x03) ?? .unknown),
            retries: retry >> 5, retransmissionExponent: retry, mode: EVBMode(rawValue: delay >> 6) ?? mode,
            resourceWaitDelay: NegotiatedExponent(delay, isRemote: delay & 0x20 != 0),
            reinitKeepAlive: NegotiatedExponent(keepAlive, isRemote: keepAlive & 0x20 != 0))
        let copies = Int(keepAlive >> 6)
        return Array(repeating: .evb(tlv), count: copies == 0 ? 1 : copies - 1)
    }

    /// A peer's LLDPDU, whose time to live is the next word. The name moves on its own in the high bits of the number, the
    /// address in the low ones.
    mutating func lldpdu(of number: UInt8, _ tlvs: [LLDPDU.OptionalTLV]) -> Frame {
        let lldpdu = LLDPDU(
            chassisID: .chassis(Self.peer(number >> 4)), portID: LLDPIdentifier(subtype: 5, octets: [0x70]),
            timeToLive: word(), optional: tlvs)
        return Frame(destination: .nearestCustomerBridge, source: Self.peer(number), payload: .lldp(lldpdu))
    }

    /// The address of one of sixteen peers.
    static func peer(_ number: UInt8) -> MACAddress {
        MACAddress(truncating: 0x0200_0000_0000 | UInt64(number % 16))
    }
}

extension Frame {
    /// An ECP frame to a port, in the dialect that the port speaks with this peer; nil stands for the first of all.
    static func ecp(_ ecpdu: ECPDU, from peer: MACAddress?, isDraft: Bool) -> Frame {
        let payload: Frame.Payload =
            isDraft
            ? .draftECP(DraftECPDU(operation: ecpdu.operation, sequence: ecpdu.sequence, payload: ecpdu.payload))
            : .ecp(ecpdu)
        return Frame(
            destination: isDraft ? .nearestBridge : .nearestCustomerBridge, source: peer ?? DriverInput.peer(0),
            payload: payload)
    }
}
