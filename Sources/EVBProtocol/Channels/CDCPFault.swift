package import EVBWire

/// What is wrong with the S-channels of an uplink, by what its neighbours say.
package enum CDCPFault: Hashable, Sendable {
    /// The TLV is too short, or there are several of them.
    case unusableTLV(WireError)
    /// The first pair is not that of the default channel.
    case noDefaultPair
    /// ChnCap is not 1 to 167. Of a larger one 167 count; with 0 the TLV is of no use.
    case badCapacity(UInt16)
    /// The neighbour takes the same side as this one.
    case sameRole
    /// The neighbour has no S-VLAN component: no channels.
    case noSComponent
    /// A pair that cannot be is left out: a reserved number, or one that stands in an earlier pair.
    case badPair(SChannelPair)
    /// One or two octets after the last pair.
    case remainder(Int)
    /// The neighbour has the default channel alone: a station that asks for none, or a bridge that gives none.
    case onlyDefault
    /// The bridge gives a channel that was not asked for.
    case unaskedChannel(SCID)
    /// More channels are wanted than both sides bear; those of the lowest SCIDs come up.
    case beyondCapacity(wanted: Int, borne: Int)
    /// The bridge has no SVID left for this channel.
    case noSVID(SCID)
    /// So many neighbours offer S-channels. One is right.
    case severalNeighbours(Int)

    /// A fault without what differs from one to the next: what is counted, and what is told once while it lasts.
    package enum Kind: String, CaseIterable, Hashable, Sendable {
        case unusableTLV, severalTLVs, noDefaultPair, badCapacity, sameRole, noSComponent, badPair, remainder,
            onlyDefault
        case unaskedChannel, beyondCapacity, noSVID, severalNeighbours
    }

    package var kind: Kind {
        switch self {
        case .unusableTLV(.misplaced): .severalTLVs
        case .unusableTLV: .unusableTLV
        case .noDefaultPair: .noDefaultPair
        case .badCapacity: .badCapacity
        case .sameRole: .sameRole
        case .noSComponent: .noSComponent
        case .badPair: .badPair
        case .remainder: .remainder
        case .onlyDefault: .onlyDefault
        case .unaskedChannel: .unaskedChannel
        case .beyondCapacity: .beyondCapacity
        case .noSVID: .noSVID
        case .severalNeighbours: .severalNeighbours
        }
    }
}

/// What became of an S-channel.
package enum SChannelChange: Hashable, Sendable {
    /// It is agreed on, with this S-tag.
    case up(SVID)
    /// The bridge has given it another S-tag. What was associated behind it is forgotten there.
    case moved(from: SVID, to: SVID)
    case down(SChannelLoss)
}

/// Why an S-channel is not there any more.
package enum SChannelLoss: Hashable, Sendable {
    /// No neighbour offers S-channels any more, and why not.
    case peer(PeerLoss)
    /// The bridge gives it no SVID any more.
    case unassigned
    /// Both sides together bear fewer channels than before.
    case beyondCapacity
    /// This side's operator, or the station, does not want it any more.
    case unwanted
}

/// A change of one channel.
package struct SChannelEvent: Hashable, Sendable {
    package let scid: SCID
    package let change: SChannelChange

    init(_ scid: SCID, _ change: SChannelChange) {
        self.scid = scid
        self.change = change
    }
}
