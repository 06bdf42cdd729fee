import EVBTime
import EVBWire
import Glibc
import Testing

/// A number of random cases of one test.
///
/// `EVBD_SEED` and `EVBD_CASES` in the environment set the first case's seed and the number of cases. They have fixed
/// defaults, so that a run that passed passes again. Each case has the seed of its own that a failure tells.
enum Cases {
    static let seed = number("EVBD_SEED") ?? 0x8021_0B60
    static let count = Int(clamping: number("EVBD_CASES") ?? 3000)

    /// Runs `body` once for each case; `body` puts the note that it is given beside each of its expectations.
    static func run(_ name: String, _ body: (inout SplitMix64, Comment) throws -> Void) rethrows {
        // A trap leaves no failed expectation behind, so the seed is told beforehand too.
        print("\(name): EVBD_SEED=\(seed) EVBD_CASES=\(count)")
        for index in 0..<count {
            let seed = seed &+ UInt64(index)
            var random = SplitMix64(seed: seed)
            try body(&random, "EVBD_SEED=\(seed) EVBD_CASES=1 repeats this case")
        }
    }

    private static func number(_ name: String) -> UInt64? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        let number = text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
        guard let number else { preconditionFailure("\(name)=\(text) is no number") }
        return number
    }
}

// MARK: - Random values

extension SplitMix64 {
    mutating func number<Number: FixedWidthInteger & UnsignedInteger>(_ type: Number.Type = Number.self) -> Number {
        Number(truncatingIfNeeded: next())
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

    mutating func flag() -> Bool { next() & 1 == 1 }

    /// Up to `most` octets; often none, often few.
    mutating func octets(upTo most: Int) -> [UInt8] {
        let count = flag() ? below(min(most, 8) + 1) : below(most + 1)
        return (0..<count).map { _ in number(UInt8.self) }
    }

    mutating func list<Element>(upTo most: Int, _ make: (inout SplitMix64) -> Element) -> [Element] {
        (0..<below(most + 1)).map { _ in make(&self) }
    }

    /// An address of one station.
    mutating func stationAddress() -> MACAddress {
        MACAddress(truncating: next() & 0xFEFF_FFFF_FFFF | 1)
    }

    mutating func evbTLV() -> EVBTLV {
        let modes: [EVBMode] = [.notSupported, .bridge, .station, .nvo3]
        let states: [ReflectiveRelayStatus] = [.off, .on, .reserved, .unknown]
        return EVBTLV(
            bridgeStatus: BridgeStatus(rawValue: number(UInt8.self) & 0x07),
            stationStatus: StationStatus(
                groupIDs: flag(), reflectiveRelayRequest: flag(), reflectiveRelayStatus: states[below(4)]),
            retries: number(), retransmissionExponent: number(), mode: modes[below(4)],
            resourceWaitDelay: NegotiatedExponent(number(), isRemote: flag()),
            reinitKeepAlive: NegotiatedExponent(number(), isRemote: flag()))
    }

    mutating func cdcpTLV() -> CDCPTLV {
        let pairs = (0...below(CDCPTLV.channelsMax)).map { _ in SChannelPair(SCID(number()), SVID(number())) }
        return CDCPTLV(role: flag() ? .station : .bridge, hasSComponent: flag(), capacity: number(), pairs: pairs)
    }

    mutating func identifier() -> LLDPIdentifier {
        LLDPIdentifier(subtype: number(), octets: [number()] + octets(upTo: 254))
    }

    mutating func optionalTLV() -> LLDPDU.OptionalTLV {
        switch below(6) {
        case 0: return .evb(evbTLV())
        case 5: return .cdcp(cdcpTLV())
        case 4: return .draftEVB(draftEVBTLV())
        case 1: return .basic(type: UInt8(4 + below(123)), value: octets(upTo: 511))
        case 2:
            let other = OrganizationalKey(oui: 0x00_80C2, subtype: 0x0C)
            let key = flag() ? other : OrganizationalKey(oui: number(), subtype: 0x0D)
            return .organizational(key == .evb ? other : key, information: octets(upTo: 507))
        default:
            let value = Array(RawLLDP.evbValue.prefix(below(9)))
            let error: WireError = value.count < 4 ? .truncated(.organizationalTLV) : .badLength(.evbTLV, value.count)
            return .malformed(value: value, error)
        }
    }

    mutating func lldpdu() -> LLDPDU {
        LLDPDU(
            chassisID: identifier(), portID: identifier(), timeToLive: number(),
            optional: list(upTo: 6) { $0.optionalTLV() })
    }

    mutating func ecpdu() -> ECPDU {
        let isRequest = flag()
        return ECPDU(
            operation: isRequest ? .request : .acknowledgement, subtype: ECPDU.Subtype(rawValue: number()),
            sequence: number(), payload: isRequest ? octets(upTo: 1496) : [])
    }

    mutating func frame() -> Frame {
        Frame(
            destination: MACAddress(truncating: next()), source: MACAddress(truncating: next()),
            payload: [.lldp(lldpdu()), .ecp(ecpdu()), .draftECP(draftECPDU())][below(3)])
    }

    mutating func filterInfo() -> FilterInfo? {
        let format = FilterFormat.allCases[below(4)]
        let isFull = below(16) == 0
        let count = isFull ? format.entriesMax : 1 + below(3)
        let entries = (0..<count).map { _ in
            FilterEntry(
                vid: UInt16(1 + below(4094)), pcp: flag() ? number() : nil,
                macAddress: format.hasMACAddress ? stationAddress() : nil, groupID: format.hasGroupID ? number() : nil)
        }
        // Two entries alike, which chance may bring, are no filter.
        return try? FilterInfo(checking: entries)
    }

    mutating func vsi() -> VSITLV? {
        guard let filter = filterInfo() else { return nil }
        let organizational = list(upTo: 2) {
            OrganizationalInformation(oui: $0.number(), octets: $0.octets(upTo: 508))
        }
        return VSITLV(
            command: VDPCommand.allCases[below(4)], status: VDPStatus(rawValue: number()), typeID: number(),
            typeVersion: number(),
            vsiID: VSIID(format: VSIIDFormat(rawValue: UInt8(below(7))), high: next(), low: next()), filter: filter,
            organizational: organizational)
    }

    mutating func vdpdu() -> VDPDU {
        VDPDU(
            managerID: VSIManagerID(high: next(), low: next()),
            associations: list(upTo: 5) { $0.vsi() }.compactMap { $0 }, hasEnd: flag())
    }

    // MARK: Random octets

    /// A chain of TLVs whose headers are mostly sound, so that what is inside gets read.
    mutating func chain(types: [UInt8]) -> [UInt8] {
        var chain: [UInt8] = []
        for _ in 0..<below(8) {
            let type = below(8) == 0 ? number(UInt8.self) & 0x7F : types[below(types.count)]
            var value = octets(upTo: 64)
            if type == 127, flag() { value = Array(RawLLDP.evbValue.prefix(4)) + value }
            if type < 5, flag() {
                value = RawVDP.value(number(), filter: [UInt8(below(6)), 0, UInt8(below(4))] + value)
            }
            chain += tlv(type, value)
            if below(16) == 0 { chain[chain.count - value.count - 1] = number() }
        }
        return chain
    }

    /// The same octets with a few of them changed, removed, added or repeated.
    mutating func mutation(of original: [UInt8]) -> [UInt8] {
        var octets = original
        for _ in 0..<(flag() ? 1 : 1 + below(8)) where !octets.isEmpty {
            let position = below(octets.count)
            switch below(6) {
            case 0: octets[position] ^= 1 << UInt8(below(8))
            case 1: octets[position] = number()
            case 2: octets[position] = [0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF][below(6)]
            case 3: octets.remove(at: position)
            case 4: octets.insert(number(), at: position)
            default:
                let end = position + below(min(64, octets.count - position) + 1)
                octets.insert(contentsOf: octets[position..<end], at: below(octets.count))
            }
        }
        return octets
    }
}
