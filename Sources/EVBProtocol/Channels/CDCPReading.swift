package import EVBTime
package import EVBWire

/// A neighbour's CDCP TLV as the other side takes it (802.1Q 42.4): what of it is of use, and what is wrong with it.
package struct CDCPReading: Hashable, Sendable {
    /// Channels that the neighbour bears, the default one included: 1 to 167.
    package let capacity: Int
    /// The channels of usable pairs but for the default one. A station's may be without an SVID, a bridge's not.
    package let channels: [SCID: SVID]
    package let faults: [CDCPFault]

    /// Why a TLV is not read.
    package enum Refusal: Error, Equatable {
        /// It says that there are no channels with this neighbour: what was agreed on ends.
        case declined(CDCPFault)
        /// It is broken: what the neighbour said before holds until it ages.
        case broken(CDCPFault)

        package var fault: CDCPFault {
            switch self {
            case .declined(let fault), .broken(let fault): fault
            }
        }
    }

    /// Reads the TLV of a neighbour that ought to be on the side of `role`.
    package init(_ tlv: CDCPTLV, of role: CDCPTLV.Role) throws(Refusal) {
        guard tlv.pairs.first == .default else { throw .broken(.noDefaultPair) }
        guard tlv.capacity > 0 else { throw .broken(.badCapacity(0)) }
        guard tlv.role == role else { throw .declined(.sameRole) }
        guard tlv.hasSComponent else { throw .declined(.noSComponent) }
        var faults: [CDCPFault] = []
        if tlv.capacity > CDCPTLV.channelsMax { faults.append(.badCapacity(tlv.capacity)) }
        if !tlv.remainder.isEmpty { faults.append(.remainder(tlv.remainder.count)) }
        var channels: [SCID: SVID] = [:]
        var taken: Set<SVID> = []
        for pair in tlv.pairs.dropFirst() {
            let isNew = pair.svid == .unassigned || taken.insert(pair.svid).inserted
            let mayBe = pair.svid.isAssignable || role == .station && pair.svid == .unassigned
            guard isNew, mayBe, pair.scid > .default, channels[pair.scid] == nil else {
                faults.append(.badPair(pair))
                continue
            }
            channels[pair.scid] = pair.svid
        }
        capacity = min(Int(tlv.capacity), CDCPTLV.channelsMax)
        self.channels = channels
        self.faults = faults
    }
}

/// One side's machine of CDCP. Which neighbour it hears is ``CDCPUplink``'s.
package protocol CDCPMachine: Sendable {
    associatedtype Configuration: Hashable, Sendable
    /// Which side it is.
    static var role: CDCPTLV.Role { get }
    var configuration: Configuration { get }
    /// What to send.
    var outgoing: CDCPTLV { get }
    /// The channels that are up, but for the default one.
    var channels: [SCID: SVID] { get }
    /// What keeps channels down that are wanted, or is wrong with what the neighbour gives.
    var faults: [CDCPFault] { get }
    /// Takes in what the neighbour says.
    mutating func hear(_ reading: CDCPReading, from chassis: LLDPIdentifier) -> [SChannelEvent]
    /// Whether the neighbour is to be answered at once, though there may be nothing new to say: it seems to have forgotten this side.
    ///
    /// One side's answer must be no reason for the other's, or they would go on for ever.
    ///
    /// - Parameters:
    ///   - events: what has come of what it said.
    ///   - interval: how long after its LLDPDU before that was; nil for the first.
    /// - Returns: whether an LLDPDU is to be sent as soon as the credit allows.
    static func answers(_ events: [SChannelEvent], after interval: Interval?) -> Bool
    /// There is no neighbour with S-channels any more.
    mutating func end(_ loss: PeerLoss) -> [SChannelEvent]
    /// The operator has configured something else.
    mutating func reconfigure(_ configuration: Configuration) -> [SChannelEvent]
}

/// What has changed between two states of a machine, in the order of SCIDs; `reason` says why a channel is down now.
func channelEvents(
    from old: [SCID: SVID], to new: [SCID: SVID], because reason: (SCID) -> SChannelLoss
) -> [SChannelEvent] {
    Set(old.keys).union(new.keys).sorted().compactMap { scid in
        switch (old[scid], new[scid]) {
        case (let before?, let now?) where before != now: SChannelEvent(scid, .moved(from: before, to: now))
        case (nil, let now?): SChannelEvent(scid, .up(now))
        case (.some, nil): SChannelEvent(scid, .down(reason(scid)))
        default: nil
        }
    }
}
