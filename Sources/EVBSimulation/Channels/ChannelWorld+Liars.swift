internal import EVBProtocol
internal import EVBTime
internal import EVBWire

// Neighbours that lie: another one on the cable, and one under the true neighbour's name and address.

extension ChannelWorld {
    /// Another neighbour says so many times, a second apart, what is not so. Where the true one is heard nothing may come of it.
    mutating func lie(to role: CDCPTLV.Role, times: Int) {
        guard times > 0, !isQuiet else { return }
        let address = MACAddress(truncating: 0x0A00_0000_0000 | (random.flag() ? 1 : random.next() & 0xFF_FFFF))
        let holds: UInt16 = random.pick([UInt16(0), 20, 121, 121, 3600, 65_535]) ?? 121
        let lldpdu = LLDPDU(
            chassisID: .chassis(address), portID: .local("lie"), timeToLive: holds,
            optional: holds == 0 ? [] : claims(to: role))
        transmit(lldpdu, from: address, to: role)
        events.add(.liar(to: role, times: times - 1), at: now + .seconds(1))
    }

    /// One LLDPDU under the name and the address of the true neighbour.
    mutating func spoof(_ role: CDCPTLV.Role) throws(Ledger.Breach) {
        let neighbour = role == .station ? Self.bridgeIdentity : Self.stationIdentity
        let holds: UInt16 = random.pick([UInt16(0), 20, 121]) ?? 121
        note(.note("a stranger speaks under the neighbour's name"))
        watch.misled(at: now)
        let lldpdu = LLDPDU(
            chassisID: .chassis(neighbour.chassis), portID: .local(neighbour.interfaceName), timeToLive: holds,
            optional: holds == 0 ? [] : claims(to: role))
        transmit(lldpdu, from: neighbour.address, to: role)
    }

    private mutating func transmit(_ lldpdu: LLDPDU, from address: MACAddress, to role: CDCPTLV.Role) {
        let frame = Frame(destination: .nearestNonTPMRBridge, source: address, payload: .lldp(lldpdu))
        transmit(frame, .default, from: role.peer)
    }

    /// TLVs of a liar: good ones of the other side, stolen SVIDs, the wrong role, no component, broken ones, several, none.
    private mutating func claims(to role: CDCPTLV.Role) -> [LLDPDU.OptionalTLV] {
        var tlv = CDCPTLV(role: role.peer, capacity: 167, pairs: [.default] + randomPairs(to: role))
        switch random.below(8) {
        case 0: tlv.role = role
        case 1: tlv.hasSComponent = false
        case 2: tlv.pairs.removeFirst()
        case 3: tlv.capacity = random.flag() ? 0 : UInt16(random.below(4096))
        case 4: return [.cdcp(tlv), .cdcp(tlv)]
        case 5: return []
        default: break
        }
        return [.cdcp(tlv)]
    }

    private mutating func randomPairs(to role: CDCPTLV.Role) -> [SChannelPair] {
        let stolen = (role == .station ? station.told : bridge.told).values.sorted()
        return (0..<random.below(options.channels + 2)).map { _ in
            let scid = SCID(UInt16(random.chance(900) ? random.within(2...options.channels + 2) : random.below(4096)))
            let other = SVID(UInt16(random.chance(900) ? random.within(100...150) : random.below(4096)))
            return SChannelPair(scid, random.flag() ? random.pick(stolen) ?? other : other)
        }
    }
}
