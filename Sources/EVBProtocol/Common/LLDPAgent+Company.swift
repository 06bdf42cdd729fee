internal import EVBTime
public import EVBWire

/// Another program that speaks LLDP under the name and the address of an EVB peer, without an EVB TLV.
///
/// What it says is not what the peer says. Without a distinction each of its LLDPDUs would end EVB, and the peer's next begin it.
public struct SecondSpeaker: Hashable, Sendable {
    public let chassisID: LLDPIdentifier
    public let portID: LLDPIdentifier
    /// The octets of its system name and its system description; nil where it sends none.
    public let systemName: [UInt8]?
    public let systemDescription: [UInt8]?

    init(_ lldpdu: LLDPDU) {
        chassisID = lldpdu.chassisID
        portID = lldpdu.portID
        func text(_ type: UInt8) -> [UInt8]? {
            for case .basic(type, let value) in lldpdu.optional { return value }
            return nil
        }
        systemName = text(5)
        systemDescription = text(6)
    }
}

extension LLDPAgent {
    /// What is known of another speaker under a neighbour's name and address.
    struct Company: Equatable, Sendable {
        /// When the EVB TLV was last missing in an LLDPDU that differs in other things too.
        fileprivate var missedAt: Instant?
        /// When it came back after that.
        fileprivate var returnedAt: Instant?
        /// The other speaker's latest LLDPDU, and how long it holds.
        fileprivate(set) var other: LLDPDU?
        fileprivate var otherExpiry: Instant?
    }

    /// How long after the EVB TLV has come back another LLDPDU without it tells of a second speaker.
    static let alternationMax = Interval.seconds(300)
}

extension LLDPAgent.Neighbour {
    /// Whether an LLDPDU under this name and address is what this neighbour says now, and not a second speaker's.
    ///
    /// The first LLDPDU without the EVB TLV withdraws it. Where it comes back, and is missing again among other TLVs than it
    /// stands among, two speak by turns. One that only leaves the EVB TLV out is never taken for another's.
    mutating func isFollowed(by next: LLDPDU, at now: Instant) -> Bool {
        if let expiry = company.otherExpiry, expiry <= now { company = LLDPAgent.Company() }
        switch (lldpdu.carriesEVB, next.carriesEVB) {
        case (true, false):
            guard lldpdu.timeToLive != next.timeToLive || lldpdu.withoutEVB != next.withoutEVB else {
                company = LLDPAgent.Company()
                return true
            }
            let isAlternating = company.returnedAt.map { now.since($0) <= LLDPAgent.alternationMax } ?? false
            guard company.other != nil || isAlternating else {
                company.missedAt = now
                return true
            }
            company.other = next
            company.otherExpiry = now + .seconds(UInt64(next.timeToLive))
            return false
        case (false, true):
            let isReturn = company.missedAt.map { now.since($0) <= LLDPAgent.alternationMax } ?? false
            company.returnedAt = isReturn ? now : nil
            return true
        case (true, true), (false, false): return true
        }
    }
}

extension LLDPDU {
    /// Whether it has an EVB TLV of either dialect.
    fileprivate var carriesEVB: Bool { !evbTLVs.isEmpty || !draftEVBTLVs.isEmpty }

    /// Its optional TLVs but those of EVB.
    fileprivate var withoutEVB: [OptionalTLV] {
        optional.filter { tlv in
            switch tlv {
            case .evb, .draftEVB: false
            case .cdcp, .organizational, .basic, .malformed: true
            }
        }
    }
}
