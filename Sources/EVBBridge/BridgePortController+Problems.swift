package import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBSettings
internal import EVBTime
internal import EVBWire

// What is wrong on a bridge's port now. A port without a station, or without a link, is idle, and nothing is wrong with it.

extension BridgePortController {
    /// What is wrong on the port now.
    package var problems: [PortProblem] { watch.problems }
    package var recentProblems: [PortProblem] { watch.recentProblems }

    func startWatch() {
        watch.conditions = { [weak self] in self?.conditions ?? [] }
        watch.nextDoubt = { [weak self] in self?.neighbours.silentFrom }
        watch.onNews = { [weak self] in self?.onNews?($0) }
        transport.onDoubt = { [weak self] in self?.watch.changed() }
        transport.onUnsent = { [weak self] in self?.port.unsent($0) }
    }

    private var neighbours: NeighbourView {
        let snapshot = port.snapshot
        return NeighbourView(
            isLinkUp: snapshot.isLinkUp, hasPeer: snapshot.station != nil, shown: snapshot.neighbour,
            all: snapshot.neighbours, secondSpeaker: snapshot.secondSpeaker, peerRole: .station)
    }

    private var conditions: [PortProblem] {
        let interface = transport.interfaceProblems.filter { $0.kind != .linkDown }
        guard port.snapshot.isLinkUp else { return interface + bridgeConditions + seat.problems }
        var stations = 1
        var found: [PortProblem] = []
        for notice in port.snapshot.notices {
            if case .severalStations(let count) = notice { stations = count }
            if let problem = problem(notice) { found.append(problem) }
        }
        let neighbours = neighbours
        let own = [neighbours.silence(at: now), neighbours.others(besides: stations)].compactMap(\.self)
        return interface + found + own + bridgeConditions + seat.problems
    }

    /// What the port's Linux bridge, and the limits of this evbd, do not allow.
    private var bridgeConditions: [PortProblem] {
        var found: [PortProblem] = []
        if configuration.reflectiveRelay, let obstacle, transport.link != nil {
            found.append(
                PortProblem(
                    kind: .relayNotOffered, message: "reflective relay is not offered: \(obstacle.text(name))",
                    hint: "or set reflective-relay: false"))
        }
        if isLeaking {
            found.append(
                PortProblem(
                    kind: .noSpanningTree,
                    message:
                        "the port's bridge runs no spanning tree protocol, and so hands LLDP and ECP on between its "
                        + "ports: any host on it can pose to the station as its switch, and to evbd as a station",
                    hint: "ip link set BRIDGE type bridge stp_state 1 ends that"))
        }
        found += seat.admissionProblems
        if let limit = port.snapshot.refusedLimits.filter(isReached).min(by: { $0.rawValue < $1.rawValue }) {
            found.append(
                PortProblem(
                    kind: .limitReached,
                    message: "VSIs are refused (insufficient resources): there are "
                        + transport.surroundings.resources.words(limit),
                    hint: ResourcePool.remedy(limit)))
        }
        return found
    }

    private func isReached(_ limit: ResourceLimit) -> Bool {
        let (use, room) = (port.use, transport.surroundings.resources.room(for: name))
        return switch limit {
        case .vsisPerPort: use.vsis >= transport.surroundings.resources.limits.vsisPerPort
        case .vsis: use.vsis >= room.vsis
        // A VSI may want more than the few that are left.
        case .filterEntries: true
        }
    }

    private func problem(_ notice: BridgeNotice) -> PortProblem? {
        func problem(_ notice: NeighbourNotice) -> PortProblem {
            notice.problem(peerRole: .station, dialect: configuration.dialect)
        }
        return switch notice {
        case .limitReached: nil
        case .severalStations(let count): problem(.severalPeers(count))
        case .bridgeNeighbour: problem(.sameRole)
        case .draftNeighbour: problem(.draftOnly)
        case .ratifiedNeighbour: problem(.ratifiedOnly)
        case .unusableTLV(let error): problem(.unusableTLV(error))
        case .foreignECP(let source):
            problem(.foreignECP(source, frames: port.snapshot.statistics.ecpRxOtherSource))
        case .secondSpeaker(let speaker): problem(.secondSpeaker(speaker))
        case .misaddressedECP(let destination): problem(.misaddressedECP(destination))
        }
    }
}
