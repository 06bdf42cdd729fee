internal import Dataplane
package import EVBModel
package import EVBProtocol
package import EVBTime
package import EVBWire
internal import LinuxSystem
internal import Netlink

// What is wrong on a port of either role, worked out from its state now.

/// A port's neighbours, as far as problems are made of them.
package struct NeighbourView {
    package let isLinkUp: Bool
    package let hasPeer: Bool
    /// The peer's LLDP information, or else that of the first neighbour.
    package let shown: NeighbourSnapshot?
    package let all: [NeighbourSnapshot]
    package let secondSpeaker: SecondSpeaker?
    /// What the peer is to the port.
    package let peerRole: EVBMode

    package init(
        isLinkUp: Bool, hasPeer: Bool, shown: NeighbourSnapshot?, all: [NeighbourSnapshot],
        secondSpeaker: SecondSpeaker?, peerRole: EVBMode
    ) {
        self.isLinkUp = isLinkUp
        self.hasPeer = hasPeer
        self.shown = shown
        self.all = all
        self.secondSpeaker = secondSpeaker
        self.peerRole = peerRole
    }

    private var peer: String { peerRole == .station ? "station" : "bridge" }

    /// When the peer will be silent if nothing is heard of it until then: two thirds of the time for which its word holds. A
    /// neighbour sends several LLDPDUs in that time.
    package var silentFrom: Instant? {
        guard hasPeer, let shown else { return nil }
        return shown.heard + Interval.seconds(UInt64(shown.lldpdu.timeToLive)) * 2 / 3
    }

    /// The peer has been silent for long.
    package func silence(at now: Instant) -> PortProblem? {
        guard let silentFrom, silentFrom <= now, let shown else { return nil }
        let age = now.since(shown.heard).nanoseconds / 1_000_000_000
        let left = UInt64(shown.lldpdu.timeToLive) - min(age, UInt64(shown.lldpdu.timeToLive))
        let end = peerRole == .station ? "its VSIs are released" : "all VSIs are lost"
        return PortProblem(
            kind: .silentPeer,
            message: "the \(peer) \(Self.name(shown)) has sent no LLDPDU for \(age) s; in \(left) s its information "
                + "ages out, and \(end)",
            hint: "look whether the \(peer) is alive and sends LLDP on this link, and whether frames get lost")
    }

    /// Neighbours beside the peer that are no EVB peers. Those of the peer's own chassis are members of a LAG.
    package func others(besides peerCount: Int) -> PortProblem? {
        guard hasPeer, peerCount <= 1, secondSpeaker == nil, let shown else { return nil }
        let others = all.filter { $0.lldpdu.chassisID != shown.lldpdu.chassisID }
        guard let first = others.first else { return nil }
        return PortProblem(
            kind: .severalNeighbours,
            message: "\(others.count) LLDP \(others.count == 1 ? "neighbour is" : "neighbours are") heard beside the "
                + "\(peer) \(Self.name(shown)), such as \(Self.name(first))",
            hint: "one link has one neighbour: look for a hub or a switch between, or for another program that sends "
                + "LLDP to 01:80:c2:00:00:00 here")
    }

    /// Neighbours are heard, and none sends an EVB TLV.
    package var withoutTLV: PortProblem? {
        guard isLinkUp, !hasPeer, let shown else { return nil }
        guard all.allSatisfy({ $0.lldpdu.evbTLVs.isEmpty && $0.lldpdu.draftEVBTLVs.isEmpty }) else { return nil }
        return PortProblem(
            kind: .noEVBTLV,
            message: "the LLDP neighbour \(Self.name(shown)) sends no EVB TLV",
            hint: "enable EVB (802.1Qbg) and its LLDP TLV on that port of the switch")
    }

    /// An EVB TLV is heard where it does not count.
    package func elsewhere(_ stray: StrayTLVs.Sighting?) -> PortProblem? {
        guard isLinkUp, !hasPeer, let stray else { return nil }
        let name = Self.name(stray.chassisID, stray.portID)
        switch stray.place {
        case .group(let address):
            return PortProblem(
                kind: .evbTLVElsewhere,
                message: "\(name) sends its EVB TLV to \(address), and EVB is spoken by the LLDP agent of "
                    + "01:80:c2:00:00:00 (nearest customer bridge)",
                hint:
                    "have the switch send LLDP with the EVB TLV to the nearest customer bridge address; if it can use "
                    + "only another address, see group-address in evbd.yaml(5)")
        case .vlan:
            return PortProblem(
                kind: .evbTLVElsewhere,
                message: "\(name) sends its EVB TLV in a VLAN, and LLDP belongs to the link, without a tag",
                hint: "have the switch send LLDP untagged on this port")
        }
    }

    /// Nothing is heard; with how the peer was lost, where one was heard on this link before.
    package func silence(after loss: String?) -> PortProblem? {
        guard isLinkUp, all.isEmpty else { return nil }
        return PortProblem(
            kind: .noLLDP,
            message: "no LLDP is heard on 01:80:c2:00:00:00"
                + (loss.map { " any more: the EVB \(peer) was lost: \($0)" } ?? ""),
            hint: "enable LLDP and EVB on that port of the switch, for the nearest customer bridge address, and look "
                + "whether a device between drops it")
    }

    /// Chassis and port of a neighbour, for people.
    static func name(_ neighbour: NeighbourSnapshot) -> String {
        name(neighbour.lldpdu.chassisID, neighbour.lldpdu.portID)
    }

    private static func name(_ chassisID: LLDPIdentifier, _ portID: LLDPIdentifier) -> String {
        "\(chassisID.text(isChassis: true)) \(portID.text(isChassis: false))"
    }
}

extension PortTransport {
    /// Octets that the longest frames of EVB may have where the MTU is small: an LLDPDU, or an ECPDU with some VSIs.
    private static let mtuMin: UInt32 = 576

    /// How the interface stands, as it is shown.
    package func linkState(isUp: Bool) -> PortLinkState { link == nil ? .missing : isUp ? .up : .down }

    /// The S-channel that the port is; nil where it is none.
    package var channel: SChannelStatus? { surroundings.channel(name) }

    /// What is wrong with the interface.
    package var interfaceProblems: [PortProblem] {
        let ofChannels = surroundings.channels?.problems(name) ?? []
        // A channel that is not given has no interface, or one that is down, for that reason.
        if ofChannels.contains(where: { $0.kind == .channelDown }) { return ofChannels }
        return ofInterface + ofChannels
    }

    private var ofInterface: [PortProblem] {
        guard let link else { return [missing] }
        if isTaken {
            return [
                PortProblem(
                    kind: .interfaceTaken, message: "another evbd has the interface in this network namespace",
                    hint: "end it, or take the interface out of its configuration or out of this one")
            ]
        }
        if let listenFailure {
            return [
                PortProblem(
                    kind: .cannotListen, message: "the interface cannot be listened on: \(listenFailure)",
                    hint: "give evbd the capability CAP_NET_RAW, as its systemd unit does")
            ]
        }
        guard link.isUp else {
            return [
                PortProblem(
                    kind: .linkDown, message: "the interface is set down", hint: "set it up: ip link set \(name) up")
            ]
        }
        guard link.hasCarrier else {
            return [
                PortProblem(
                    kind: .linkDown, message: "the link is down: the interface has no carrier",
                    hint: "look at the cable and at the other end's port")
            ]
        }
        return [tooSmall(link) ?? unsendable].compactMap(\.self)
    }

    private var missing: PortProblem {
        let renamed = formerIndex.flatMap { index in surroundings.table.first { $0.index == index }?.name }
        return PortProblem(
            kind: .interfaceMissing,
            message: "there is no interface \(name)"
                + (renamed.map { "; the one that had the name is called \($0) now" } ?? ""),
            hint: renamed == nil
                ? "make the interface, or correct its name in ports of evbd.yaml; the port waits for it"
                : "rename it back, give it the alternative name \(name), or correct ports in evbd.yaml")
    }

    private func tooSmall(_ link: Link) -> PortProblem? {
        var message = "the MTU of \(name) is \(link.mtu)"
        if case .failing(let error, let length) = sending, error.code == Self.messageTooLong {
            message += ", and the kernel does not send a frame of \(length) octets"
        } else if link.mtu >= Self.mtuMin {
            return nil
        } else {
            message += ", and frames of ECP may have \(Self.mtuMin)"
        }
        return PortProblem(
            kind: .mtuTooSmall, message: message,
            hint: "ip link set \(name) mtu 1500, and the same at the other end")
    }

    private var unsendable: PortProblem? {
        guard case .failing(let error, _) = sending, error.code != Self.messageTooLong else { return nil }
        return PortProblem(
            kind: .sendFailing, message: "the kernel does not send the port's frames: \(error)",
            hint:
                "look at ip -s link show \(name), at its queue (tc -s qdisc show dev \(name)) and at the rules of nftables"
        )
    }
}
