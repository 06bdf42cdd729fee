package import EVBModel
package import EVBProtocol
package import EVBSettings
package import EVBWire

/// What the protocol of either role gives notice of, and the words for it: one home for what a station's port says of its bridge, and a
/// bridge's of its station.
package enum NeighbourNotice {
    /// So many peers are heard.
    case severalPeers(Int)
    case sameRole
    case draftOnly
    case ratifiedOnly
    case unusableTLV(WireError)
    /// ECP comes from an address that is not the peer's, in so many frames.
    case foreignECP(MACAddress, frames: UInt64)
    case secondSpeaker(SecondSpeaker)
    case misaddressedECP(MACAddress)

    /// The problem of it on a port whose peer should be in `peerRole`, and which is set to `dialect`.
    package func problem(peerRole: EVBMode, dialect: PortSettings.Dialect) -> PortProblem {
        let (peer, own) = peerRole == .station ? ("station", "bridge") : ("bridge", "station")
        func problem(_ kind: PortProblem.Kind, _ message: String, _ hint: String) -> PortProblem {
            PortProblem(kind: kind, message: message, hint: hint)
        }
        return switch self {
        case .severalPeers(let count):
            problem(
                .severalPeers, "\(count) EVB \(peer)s are heard on one link; the first is spoken with",
                "look for a hub or a bridge between")
        case .sameRole:
            problem(
                .sameRole, "the neighbour is an EVB \(own) too", "one end of the link has to be an EVB \(peer)")
        case .draftOnly:
            problem(
                .dialectMismatch,
                "the neighbour speaks the pre-standard draft of EVB only, and the port is set to \(dialect)",
                "allow it by dialect: auto, or ask for it by draft")
        case .ratifiedOnly:
            problem(
                .dialectMismatch, "the neighbour speaks the ratified EVB only, and the port is set to \(dialect)",
                "allow it by dialect: auto")
        case .unusableTLV(let error):
            problem(
                .unusableTLV, "the neighbour's EVB TLV is unusable: \(error)",
                "correct EVB at the \(peerRole == .station ? "station" : "switch"); "
                    + "evbctl port show --json has the octets")
        case .foreignECP(let source, let frames):
            problem(
                .foreignECP,
                "ECP comes from \(source), which is none of the \(peer)'s addresses by LLDP, and is left "
                    + "(\(frames) frames)", "if it is the \(peer)'s, give ecp: { source: any }")
        case .secondSpeaker(let speaker): speaker.problem
        case .misaddressedECP(let destination):
            problem(
                .misaddressedECP, "dropping ECP to \(destination), which is not its group address here",
                "if the \(peer) is to be heard there, give group-address: \(destination)")
        }
    }
}
