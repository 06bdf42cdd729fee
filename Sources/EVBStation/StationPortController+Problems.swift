package import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBSettings
internal import EVBTime
package import EVBWire
internal import EdgeRelays
internal import LinuxSystem
internal import Netlink

// What is wrong on a station's port now, worked out from its state. ``ProblemWatch`` says since when.

extension StationPortController {
    /// VSIs that the bridge refuses, and that are named, at most.
    private static let sortedMax = 64
    /// Addresses without a VSI that are named.
    private static let addressesShown = 4

    /// What is wrong on the port now.
    package var problems: [PortProblem] { watch.problems }
    package var recentProblems: [PortProblem] { watch.recentProblems }

    func startWatch() {
        watch.conditions = { [weak self] in self?.conditions ?? [] }
        // A bridge that was heard on this link and is heard no more has been lost.
        watch.certain = { [weak self] in self?.bridgeLoss == nil ? [] : [.noLLDP, .noEVBTLV] }
        watch.nextDoubt = { [weak self] in self.flatMap { Self.neighbours($0.port.snapshot).silentFrom } }
        watch.onNews = { [weak self] in self?.onNews?($0) }
        transport.onDoubt = { [weak self] in self?.watch.changed() }
        transport.onUnsent = { [weak self] in self?.port.unsent($0) }
    }

    private static func neighbours(_ snapshot: StationPortSnapshot) -> NeighbourView {
        NeighbourView(
            isLinkUp: snapshot.isLinkUp, hasPeer: snapshot.peer != nil, shown: snapshot.neighbour,
            all: snapshot.neighbours, secondSpeaker: snapshot.secondSpeaker, peerRole: .bridge)
    }

    private var conditions: [PortProblem] {
        // While the port is drained the switch may be away, and the VSIs are.
        guard drain == nil else { return hostConditions.filter { $0.kind != .vsiRefused } }
        let interface = transport.interfaceProblems
        let snapshot = port.snapshot
        guard snapshot.isLinkUp else { return interface + hostConditions }
        return interface + neighbourConditions(snapshot) + [delivery(snapshot)].compactMap(\.self) + hostConditions
    }

    private func neighbourConditions(_ snapshot: StationPortSnapshot) -> [PortProblem] {
        let neighbours = Self.neighbours(snapshot)
        var bridges = 1
        var found: [PortProblem] = []
        for notice in snapshot.notices {
            if case .severalBridges(let count) = notice { bridges = count }
            if let problem = problem(notice) { found.append(problem) }
        }
        guard configuration.evb.transmit else { return found }
        // Of a bridge that never shows that it has heard the request there is no notice.
        if !snapshot.notices.contains(.reflectiveRelayRefused), relayGrant == .refused {
            found.append(Self.relayRefused)
        }
        let own = [
            neighbours.withoutTLV, neighbours.elsewhere(transport.elsewhere.current(at: now)),
            neighbours.silence(at: now), neighbours.others(besides: bridges),
        ].compactMap(\.self)
        // Where the TLV is heard elsewhere, nothing else is to be done.
        let isElsewhere = own.contains { $0.kind == .evbTLVElsewhere }
        return found + own + (isElsewhere ? [] : [neighbours.silence(after: bridgeLoss)].compactMap(\.self))
            + [reflectionProblem].compactMap(\.self)
    }

    package func stage(of vsiID: VSIID) -> AnswerStage {
        if case .failing = transport.sending { return .notSent }
        if port.isUnacknowledged(vsiID) { return .notAcknowledged }
        if case .unacknowledged = port.snapshot.delivery { return .notAcknowledged }
        return port.isUnsent(vsiID) ? .notSent : .notAnswered
    }

    private static let relayRefused = PortProblem(
        kind: .relayRefused,
        message: "the bridge refuses reflective relay: VMs on this port cannot reach each other",
        hint: "allow it at the bridge")

    /// The bridge does not acknowledge, or does not answer.
    private func delivery(_ snapshot: StationPortSnapshot) -> PortProblem? {
        // Of frames that never left the host the bridge cannot be blamed; the kernel tells of a lost carrier up to a second late.
        if case .failing = transport.sending { return nil }
        let statistics = snapshot.statistics
        switch snapshot.delivery {
        case .unknown, .acknowledged: return nil
        case .unacknowledged:
            return PortProblem(
                kind: .ecpUnacknowledged,
                message: "the bridge acknowledges no ECP: \(statistics.ecpTxFailures) ECPDUs were given up",
                hint: "see that the switch has VDP enabled on this port and takes ECP (EtherType 0x8940, to "
                    + "\(port.ecpAddress)), and that no device between drops it")
        case .unanswered:
            return PortProblem(
                kind: .vdpUnanswered, message: "the bridge acknowledges ECP and does not answer VDP requests",
                hint: "see the switch's log of VDP and its VSI manager; resource-wait (RWD) may be too short for it")
        }
    }

    // MARK: The host

    private var hostConditions: [PortProblem] {
        switchConditions + [unclosed, bond, unfiltered, untagged, unmanaged, card, refused].compactMap(\.self)
    }

    private var unclosed: PortProblem? {
        let all = relay.unclosed
        guard let first = all.first else { return nil }
        return PortProblem(
            kind: .unclosedLink,
            message: (all.count == 1
                ? "the link of VSI \(first.vsiID), which is not associated, cannot be closed or given back: "
                : "\(all.count) links of VSIs that are not associated cannot be closed or given back, among them that of "
                    + "VSI \(first.vsiID): ") + first.reason,
            hint:
                "evbd tries again until it is done, at least each 32 s; until then shut the machine down, or take the link from it"
        )
    }

    private var bond: PortProblem? {
        guard let link = transport.link, let bond = relay.bond(of: link) else { return nil }
        return PortProblem(
            kind: .bondMember,
            message: "\(name) is a member of \(bond), where the kernel allows no macvtap and no macvlan",
            hint: "make \(bond) the port")
    }

    private var unfiltered: PortProblem? {
        guard let failure = relay.filterFailure else { return nil }
        return PortProblem(
            kind: .unfilteredMachines,
            message: "machines on this port can speak LLDP and ECP to the switch: the guest filter cannot be set up: "
                + failure,
            hint: "it needs nftables with the egress hook of the family netdev (Linux 5.16); guest-filter: false "
                + "switches it off")
    }

    private var untagged: PortProblem? {
        guard let first = relay.untagged.first else { return nil }
        let count = relay.untagged.count
        return PortProblem(
            kind: .noVLANDevices,
            message: "this kernel has no VLAN devices, so that machines have to tag their frames themselves: "
                + "\(count == 1 ? "VSI" : "\(count) VSIs, among them") \(first)",
            hint: "load the module 8021q (modprobe 8021q), and de-associate and associate those VSIs")
    }

    private var unmanaged: PortProblem? {
        let unknown = relay.unseen.unknownNow(limit: Self.addressesShown)
        guard unknown.count > 0 else { return nil }
        let rest = unknown.count - unknown.addresses.count
        return PortProblem(
            kind: .unmanagedAddresses,
            message: "\(unknown.count == 1 ? "an address" : "\(unknown.count) addresses") on the port "
                + "\(unknown.count == 1 ? "belongs" : "belong") to no VSI, and no VSI filters its frames: "
                + unknown.addresses.map(\.description).joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : ""),
            hint: "associate a VSI with each address, or end the machine that has it")
    }

    private var card: PortProblem? {
        guard let (mode, reason) = relay.cardSwitch.failure else { return nil }
        return PortProblem(
            kind: .cardSwitch,
            message: mode == .vepa
                ? "the card of \(name) cannot relay as a VEPA: its virtual functions reach each other past the switch: \(reason)"
                : "the card of \(name) cannot relay between its virtual functions: \(reason)",
            hint:
                "see its driver (bridge link set dev \(name) hwmode \(mode)); macvtap links follow the edge relay on every card; "
                + "card-switch: leave says that the card is not evbd's to set")
    }

    // MARK: VSIs

    /// Notes whether the bridge has what is wanted of a VSI.
    ///
    /// - Parameters:
    ///   - vsiID: The VSI.
    ///   - vsi: What the protocol has of it now; nil where it has nothing.
    func noteFailure(_ vsiID: VSIID, _ vsi: StationVSISnapshot?) {
        guard let vsi, !vsi.isWithdrawn, vsi.state == .pending || vsi.state == .deassociated else {
            if !failing.isEmpty { failing[vsiID] = nil }
            return
        }
        // One that is asked for again fails again or not.
        guard vsi.state == .deassociated, let reason = vsi.reason, reason.isRefusal else { return }
        failing[vsiID] = VSIFailure(
            reason: EVBModel.VSIReason(reason), code: reason == .bridgeDeassociated ? nil : vsi.answer?.reasonCode,
            isHard: vsi.answer?.status.contains(.hard) ?? false, typeID: vsi.request.typeID,
            typeVersion: vsi.request.typeVersion)
    }

    private var refused: PortProblem? {
        let known = failing.count <= Self.sortedMax ? failing.min { "\($0.key)" < "\($1.key)" } : failing.first
        guard let (vsiID, failure) = known else { return nil }
        let rest = failing.count > 1 ? ", and \(failing.count - 1) more" : ""
        return PortProblem(
            kind: .vsiRefused,
            message: "the bridge does not have VSI \(vsiID) (type \(failure.typeID) v\(failure.typeVersion))\(rest): "
                + failure.reason.words(code: failure.code.map { Int($0) }),
            hint: failure.reason.remedy
                + (failure.isHard
                    ? "; the refusal is hard, so that evbd does not ask again by itself: evbctl vsi retry \(vsiID)"
                    : ""))
    }
}

/// Why the bridge does not have a VSI.
struct VSIFailure {
    var reason: EVBModel.VSIReason
    /// The reason as the bridge's answer had it.
    var code: UInt8?
    var isHard: Bool
    var typeID: UInt32
    var typeVersion: UInt8
}

extension EVBProtocol.VSIReason {
    /// The bridge has said no, of this VSI.
    fileprivate var isRefusal: Bool {
        switch self {
        case .invalidFormat, .insufficientResources, .managerUnreachable, .otherFailure, .invalidFilter,
            .bridgeDeassociated:
            true
        case .success, .timeout, .bridgeLost, .bridgeOverloaded, .drained: false
        }
    }
}

// MARK: Notices

extension StationPortController {
    /// The problem of which the protocol gives notice; nil where ``reflectionProblem`` has it.
    private func problem(_ notice: StationNotice) -> PortProblem? {
        func problem(_ notice: NeighbourNotice) -> PortProblem {
            notice.problem(peerRole: .bridge, dialect: configuration.dialect)
        }
        switch notice {
        case .severalBridges(let count): return problem(.severalPeers(count))
        case .stationNeighbour: return problem(.sameRole)
        case .draftNeighbour: return problem(.draftOnly)
        case .ratifiedNeighbour: return problem(.ratifiedOnly)
        case .unusableTLV(let error): return problem(.unusableTLV(error))
        case .foreignECP(let source):
            return problem(.foreignECP(source, frames: port.snapshot.statistics.ecpRxOtherSource))
        case .secondSpeaker(let speaker): return problem(.secondSpeaker(speaker))
        case .misaddressedECP(let destination): return problem(.misaddressedECP(destination))
        case .bridgeOverloaded:
            return PortProblem(
                kind: .bridgeOverloaded,
                message: "the bridge answers too slowly to keep all VSIs alive, and takes no longer keep-alive period "
                    + "(RKA): the rest has to wait",
                hint: "shorten its ack timer (RTE) or raise RKA there")
        case .reflectsUnasked: return nil
        case .reflectiveRelayRefused: return relayGrant == .refused ? Self.relayRefused : nil
        }
    }
}
