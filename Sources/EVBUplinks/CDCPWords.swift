internal import EVBProtocol
internal import EVBWire

// What comes of CDCP, for people.

extension Negotiation {
    /// The side of CDCP that is played.
    var role: CDCPTLV.Role {
        switch self {
        case .station, .fixed: .station
        case .bridge: .bridge
        }
    }
}

extension CDCPFault {
    /// Whether it is told of. That there are no channels is so at each start, until the other side has heard of them; afterwards each
    /// channel says why it is not there.
    var isTold: Bool { self != .onlyDefault }

    /// What is wrong, as a sentence without a stop.
    var message: String {
        switch self {
        case .unusableTLV(.misplaced): "the neighbour sends several CDCP TLVs in an LLDPDU, and none of them counts"
        case .unusableTLV(let error): "the neighbour's CDCP TLV cannot be used: \(error)"
        case .noDefaultPair: "the first pair of the neighbour's CDCP TLV is not channel 1 with SVID 1"
        case .badCapacity(let capacity): "the neighbour says that it bears \(capacity) channels, and 1 to 167 can be"
        case .sameRole: "the neighbour plays the same side of CDCP"
        case .noSComponent: "the neighbour says that it has no S-channels"
        case .badPair(let pair):
            "the neighbour's pair of SCID \(pair.scid) and SVID \(pair.svid) cannot be, and is left out"
        case .remainder(let count): "the neighbour's CDCP TLV has \(count) octets behind its last pair"
        case .onlyDefault: "the neighbour has no channel but channel 1"
        case .unaskedChannel(let scid): "the bridge gives channel \(scid), which was not asked for"
        case .beyondCapacity(let wanted, let borne):
            "\(wanted) channels are wanted, and both sides together bear \(borne); those of the lowest SCIDs come up"
        case .noSVID(let scid): "no SVID is left for channel \(scid)"
        case .severalNeighbours(let count): "\(count) neighbours offer S-channels, and one is right"
        }
    }

    /// What to do about it, on the side of `role`.
    func hint(_ role: CDCPTLV.Role) -> String {
        switch self {
        case .unusableTLV, .noDefaultPair, .badCapacity, .badPair, .remainder:
            "look at the neighbour's CDCP configuration and version; evbctl port show has the TLV as it was read"
        case .onlyDefault: "configure channels at the station, and see whether the bridge has SVIDs left"
        case .sameRole: "one end is the station and the other the bridge: correct role here, or the role of CDCP there"
        case .noSComponent: "enable S-channels (CDCP) at the other end"
        case .unaskedChannel: "take the channel away at the bridge, or add it to s-channels.channels"
        case .beyondCapacity: "raise s-channels.capacity on the side that bears fewer, or take channels away"
        case .noSVID:
            role == .bridge ? "widen s-channels.svids" : "widen the range of SVIDs at the bridge"
        case .severalNeighbours:
            "look for a hub, a switch that passes 01:80:c2:00:00:03 on, or a card that speaks CDCP itself"
        }
    }
}

extension SChannelLoss {
    /// Why a channel is not there; `role` is the neighbour's.
    func text(_ role: CDCPTLV.Role) -> String {
        let neighbour = role == .station ? "station" : "bridge"
        switch self {
        case .peer(.withdrawn): return "the \(neighbour) offers no S-channels any more"
        case .peer(.disabled): return "S-channels are given up on this side"
        case .peer(let loss): return "the \(neighbour) is lost: \(loss.text(of: role == .station ? .station : .bridge))"
        case .unassigned: return "the bridge gives it no SVID"
        case .beyondCapacity: return "both sides together bear fewer channels"
        case .unwanted: return role == .station ? "the station does not ask for it" : "it is not asked for"
        }
    }
}
