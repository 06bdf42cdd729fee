internal import EVBProtocol
internal import EVBTime
internal import EVBWire

extension World {
    /// Looks at what must hold at any time.
    mutating func inspect() throws(Ledger.Breach) {
        for index in pairs.indices {
            current = index
            try pairs[index].ledger.inspect(at: now)
            try checkHearing(index)
            let station = pairs[index].station.load
            try checkLoad(station, vsisMax: options.vsis, placesMax: options.vsis, of: "station")
            let bridge = pairs[index].bridge.load
            // Flipped bits make VSIs that nobody has.
            let room = pairs[index].ledger.isTainted ? 1000 : options.vsis
            // A station that asks whether the bridge is still there names a VSI that does not exist.
            try checkLoad(bridge, vsisMax: room + 1, placesMax: room + 1, of: "bridge")
        }
    }

    /// Who has not been heard for as long as its LLDPDU held is gone.
    private func checkHearing(_ index: Int) throws(Ledger.Breach) {
        let pair = pairs[index]
        guard !pair.ledger.isTainted, pair.isLinkUp else { return }
        // One that answers while another is known, which may be gone by now, is kept for longer.
        let hold = Interval.seconds(swarm.faults.isDisjoint(with: [.falseBridge, .replaceBridge]) ? 122 : 243)
        let isBridgeDeaf = pair.isBridgeRunning && now.since(pair.lastLLDP.0) > hold
        let isStationDeaf = pair.isStationRunning && now.since(pair.lastLLDP.1) > hold
        guard isBridgeDeaf && pair.bridge.snapshot.station != nil || isStationDeaf && pair.station.snapshot.peer != nil
        else { return }
        throw Ledger.Breach(
            rule: "a peer that is not heard for as long as its LLDPDU holds is gone",
            detail: "last heard at \(Trace.text(pair.lastLLDP.0)) and \(Trace.text(pair.lastLLDP.1))")
    }

    /// Once all has come right nothing changes any more.
    func checkStandstill(_ change: @autoclosure () -> String) throws(Ledger.Breach) {
        guard isStill, !isHaunted(current) else { return }
        throw Ledger.Breach(rule: "long after the last fault nothing changes", detail: change())
    }

    private func checkLoad(_ load: PortLoad, vsisMax: Int, placesMax: Int, of side: String) throws(Ledger.Breach) {
        guard load.isConsistent else {
            throw Ledger.Breach(rule: "counters agree with what they count", detail: "\(side): \(load)")
        }
        guard load.vsis <= vsisMax, load.places <= placesMax, load.queued <= load.vsis, load.deadlines <= load.vsis,
            load.neighbours <= 8
        else { throw Ledger.Breach(rule: "queues and tables are under their bounds", detail: "\(side): \(load)") }
    }

    /// Long after the last fault: all has come right.
    mutating func checkOutcome() throws(Ledger.Breach) {
        try inspect()
        for index in pairs.indices where !isHaunted(index) {
            current = index
            try checkNegotiation(index)
            let rule = "every request ends exactly once"
            for (vsiID, line) in pairs[index].ledger.lines where line.isOpen {
                throw Ledger.Breach(rule: rule, detail: "\(Trace.name(vsiID)) never ended")
            }
            guard pairs[index].openTickets.isEmpty else {
                throw Ledger.Breach(
                    rule: "every decision is asked for and ends once", detail: "\(pairs[index].openTickets)")
            }
            for request in pairs[index].wanted.values { try checkVSI(request, index) }
            let known = Set(pairs[index].station.vsis.map(\.request.vsiID))
            for vsi in pairs[index].bridge.vsis where !known.contains(vsi.vsiID) {
                throw Ledger.Breach(
                    rule: "after the last fault nothing stays on the bridge alone", detail: Trace.name(vsi.vsiID))
            }
        }
    }

    /// Flipped bits have made a neighbour that is none and may hold for hours, by its TTL. Each side may speak with it.
    func isHaunted(_ index: Int) -> Bool {
        pairs[index].ledger.isTainted
            && (pairs[index].station.load.neighbours > 1 || pairs[index].bridge.load.neighbours > 1)
    }

    private func checkNegotiation(_ index: Int) throws(Ledger.Breach) {
        let pair = pairs[index]
        let (station, bridge) = (pair.station.snapshot, pair.bridge.snapshot)
        guard station.peer != nil, bridge.station != nil else {
            throw Ledger.Breach(rule: "after the last fault the two sides know each other", detail: "they do not")
        }
        guard agree(station.timers, bridge.timers) else {
            throw Ledger.Breach(
                rule: "values fall again when configuration falls",
                detail: "\(station.timers) and \(bridge.timers), not \(swarm.least)")
        }
        let reflects = pair.stationSettings.evb.requestsReflectiveRelay && pair.bridgeSettings.evb.offersReflectiveRelay
        guard let dialect = pair.dialect, station.dialect == dialect, bridge.dialect == dialect else {
            throw Ledger.Breach(
                rule: "both sides speak the dialect that both can, the ratified one if they can both",
                detail: "\(station.dialect) and \(bridge.dialect)")
        }
        let groups =
            dialect == .ratified && pair.stationSettings.evb.groupIDs && pair.bridgeSettings.evb.groupIDs
        guard bridge.reflectsFrames == reflects, station.reflectiveRelay == (reflects ? .on : .off),
            station.usesGroupIDs == groups, bridge.usesGroupIDs == groups
        else {
            throw Ledger.Breach(
                rule: "both sides agree on reflective relay and group IDs",
                detail: "RR \(station.reflectiveRelay) \(bridge.reflectsFrames),"
                    + " groups \(station.usesGroupIDs) \(bridge.usesGroupIDs)")
        }
    }

    /// What both sides come to is what both are configured with, but for the longer period that a slow bridge needs.
    private func agree(_ station: OperationalTimers, _ bridge: OperationalTimers) -> Bool {
        var (station, bridge) = (station, bridge)
        if options.slowBridge != nil {
            guard station.reinitKeepAliveExponent >= swarm.least.reinitKeepAliveExponent,
                options.slowBridge == .keepsOwn || station == bridge
            else { return false }
            station.reinitKeepAliveExponent = swarm.least.reinitKeepAliveExponent
            if options.slowBridge == .follows { bridge = station }
        }
        return station == swarm.least && bridge == swarm.least
    }

    /// A wanted VSI is bound as wanted on both sides alike, or the bridge has refused it for good, or cannot be asked for it.
    func checkVSI(
        _ wanted: VSIRequest, _ index: Int,
        rule: String = "after the last fault every wanted VSI ends bound or refused by the bridge"
    ) throws(Ledger.Breach) {
        let pair = pairs[index]
        guard let own = pair.station.vsi(wanted.vsiID) else {
            throw Ledger.Breach(rule: rule, detail: "\(Trace.name(wanted.vsiID)) is wanted and not known")
        }
        let held = pair.bridge.vsi(wanted.vsiID)
        let commands: [VSIState: VDPCommand] = [
            .preassociated: .preAssociate, .preassociatedWithReservation: .preAssociateWithReservation,
            .associated: .associate,
        ]
        let snapshot = pair.station.snapshot
        // In the draft a bridge may bind a VSI otherwise than it was asked to, and a flipped bit may have said so for it.
        let mayDiffer = snapshot.dialect == .draft && pair.ledger.isTainted
        if let command = commands[own.state], command == own.request.target.command || mayDiffer {
            guard held?.grant?.command == command, held?.grant?.filter == own.filter else {
                throw Ledger.Breach(
                    rule: rule,
                    detail: "\(Trace.name(wanted.vsiID)): station \(own.filter), bridge \(String(describing: held))")
            }
            return
        }
        let groups = own.request.filter.format.hasGroupID && !snapshot.usesGroupIDs
        let isInexpressible = snapshot.dialect.limit(for: own.request) != nil
        let line = pair.ledger.lines[wanted.vsiID] ?? Ledger.Line()
        let isOverload = options.slowBridge == .keepsOwn && own.reason == .bridgeOverloaded
        let isRefused = line.sawHardRefusal || groups || isInexpressible || isOverload || pair.ledger.isTainted
        let reasons: [VSIReason] = [
            .invalidFormat, .insufficientResources, .managerUnreachable, .otherFailure, .invalidFilter,
            .bridgeOverloaded,
        ]
        guard own.state == .deassociated, isRefused, let reason = own.reason, reasons.contains(reason), held == nil
        else {
            throw Ledger.Breach(
                rule: rule,
                detail: "\(Trace.name(wanted.vsiID)) is \(own.state) (\(own.reason?.rawValue ?? "-")),"
                    + " the bridge \(held == nil ? "does not know it" : "holds it")")
        }
    }
}

extension World.Pair {
    /// The dialect that the two sides come to speak, the ratified one if both may; nil if they may speak none in common.
    var dialect: WireDialect? {
        let (own, others) = (stationSettings.dialect, bridgeSettings.dialect)
        return WireDialect.allCases.first { own.allows($0) && others.allows($0) }
    }
}

extension DialectChoice {
    fileprivate func allows(_ dialect: WireDialect) -> Bool {
        switch self {
        case .automatic: true
        case .ratified: dialect == .ratified
        case .draft: dialect == .draft
        }
    }
}
