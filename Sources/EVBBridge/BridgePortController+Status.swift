package import EVBModel
package import EVBPorts
internal import EVBProtocol
internal import EVBSettings
package import EVBTime
package import EVBWire
package import JSON

// What managers are shown of a bridge's port, made from the protocol's own snapshots.

extension BridgePortController {
    /// The port in brief.
    package func status(_ counts: VSICounts) -> PortStatus {
        let brief = port.brief
        let timers = brief.timers
        let isRequested = brief.station?.advertised.requestsReflection ?? false
        return PortStatus(
            interface: name, role: .bridge, linkUp: brief.isLinkUp,
            linkState: transport.linkState(isUp: brief.isLinkUp),
            dialect: shownDialect(brief.dialect, hasPeer: brief.station != nil),
            peer: brief.station.map {
                PeerStatus(
                    chassisID: $0.chassisID.text(isChassis: true), portID: $0.portID.text(isChassis: false),
                    evbMode: ($0.tlv?.mode ?? .station).name)
            },
            reflectiveRelay: EVBModel.ReflectiveRelayStatus(
                requested: isRequested,
                status: brief.station == nil
                    ? .unknown : brief.reflectsFrames ? .granted : isRequested ? .refused : .notRequested),
            timers: TimerStatus(
                retries: Int(timers.retries), rte: Int(timers.retransmissionExponent),
                rwd: Int(timers.resourceWaitDelayExponent), rka: Int(timers.reinitKeepAliveExponent)),
            vsis: counts, misbehaviour: mischief.settings == .none ? nil : mischief.settings,
            channel: transport.channel)
    }

    /// The port in full.
    package func details(number: Int, of count: Int) -> PortDetails {
        let snapshot = port.snapshot
        let isTransmitted = configuration.evb.transmit
        let local = isTransmitted ? snapshot.localTLVs : []
        let remote = snapshot.neighbour?.lldpdu.received(snapshot.dialect == .draft ? .draftEVB : .evb)
        return PortDetails(
            port: status, ifIndex: Int(interfaceIndex ?? 0), problems: problems,
            evbTLV: EVBTLVPair(
                local: local.lazy.compactMap(\.ratified).first.map { EVBTLVStatus($0) },
                remote: snapshot.station?.tlv.map { EVBTLVStatus($0) }),
            lldpNeighbour: snapshot.neighbour.map { NeighbourStatus($0, at: now) },
            sys: SysObjects(configuration, ports: count), urp: nil,
            sbp: SBPObjects(snapshot, isManual: configuration.evb.manual), ecp: ECPObjects(snapshot),
            xdot1: Xdot1Objects(
                evbConfigEvbTxEnable: isTransmitted,
                locEvbTlvString: local.first { $0.dialect == snapshot.dialect }.map { hexadecimal($0.octets) },
                remEvbTlvString: remote.map { hexadecimal($0) }),
            counterDiscontinuity: now.since(createdAt).hundredths, uplink: transport.surroundings.channels?.uplink(name)
        )
    }

    package func writeStatus(to writer: inout JSONWriter) {
        statusText.write(to: &writer, isKept: transport.channel == nil) { status }
    }

    package var placeCount: Int { port.placeCount }

    package var vsiCount: Int { port.vsiCount }

    package func count(_ places: Range<Int>, into counts: inout VSICounts) {
        port.forEachGrant(in: places) { counts.add(EVBModel.VSIState(granted: $0)) }
    }

    package var associationTimes: DurationHistogram { port.snapshot.statistics.vdp.associationTimes }

    package var ecpRoundTrips: DurationHistogram { port.snapshot.statistics.ecpRoundTrips }

    package var ruleCounters: (any RuleCounters)? {
        configuration.vsiTypes == nil ? nil : PortRuleCounters(port: name)
    }

    package func trafficSource(of vsiID: VSIID) -> TrafficSource {
        guard let counters = ruleCounters else {
            return .none("the port has no VSI types (vsi-types), so evbd has no rules there that count")
        }
        guard let grant = port.vsi(vsiID)?.grant, grant.command == .associate else {
            return .none("rules count from the association on")
        }
        guard grant.filter.entries.contains(where: { $0.macAddress != nil }) else {
            return .none("the VSI's filter has no MAC address to count by")
        }
        return .rules(counters)
    }

    package func traffic(of vsiID: VSIID, _ reading: TrafficReading) -> VSITraffic? {
        guard let rules = reading.rules[name], let grant = port.vsi(vsiID)?.grant, grant.command == .associate else {
            return nil
        }
        return rules.traffic(of: Array(grant.filter.entries))
    }

    package var counters: StatisticsReport {
        let statistics = port.snapshot.statistics
        let vdp = statistics.vdp
        let own: [Counter: UInt64] = [
            .ecpRxRefused: statistics.ecpRxRefused, .vdpCommandsSucceeded: vdp.commandsSucceeded,
            .vdpCommandsFailed: vdp.commandsFailed, .vdpCommandReverts: vdp.commandReverts,
            .vdpKeepAlives: vdp.keepAlives, .vdpKeepAliveTimeouts: vdp.keepAliveTimeouts,
            .vdpResourceWaitTimeouts: vdp.resourceWaitTimeouts, .vdpTableFull: vdp.tableFull,
            .vdpAllTablesFull: vdp.allTablesFull, .vdpFiltersFull: vdp.filtersFull,
            .vdpAnswersLost: vdp.answersLost, .vdpUnsolicited: vdp.unsolicited, .vdpMalformed: vdp.malformed,
        ]
        var report = StatisticsReport(
            interface: name, statistics.counters(with: transport), counterDiscontinuity: now.since(createdAt).hundredths
        )
        report.add(own)
        report.add(seat.counters)
        return report
    }

    package var vsiIDs: [VSIID] { port.vsiIDs }

    package func vsiState(_ vsiID: VSIID) -> EVBModel.VSIState? {
        port.vsi(vsiID).map { EVBModel.VSIState(granted: $0.grant?.command) }
    }

    package func holds(_ vsiID: VSIID) -> Bool { port.vsi(vsiID) != nil }

    package func vsiTraits(_ vsiID: VSIID) -> VSITraits? {
        guard let snapshot = port.vsi(vsiID), let request = snapshot.request ?? snapshot.pending else { return nil }
        return VSITraits(
            reason: snapshot.grant == nil ? nil : .success, managerID: request.managerID, typeID: request.typeID,
            filter: snapshot.grant?.filter ?? request.filter)
    }

    package func writeVSI(_ vsiID: VSIID, to writer: inout JSONWriter) -> Bool {
        guard let snapshot = port.vsi(vsiID), let request = snapshot.request ?? snapshot.pending else { return false }
        parts(request, snapshot).write(
            to: &writer, vsiID, request.managerID, snapshot.grant?.filter ?? request.filter)
        return true
    }

    /// A VSI as managers see it; nil for one of which nothing is asked and nothing holds.
    package func vsiStatus(_ vsiID: VSIID) -> VSIStatus? {
        guard let snapshot = port.vsi(vsiID), let request = snapshot.request ?? snapshot.pending else { return nil }
        return VSIStatus(
            parts(request, snapshot), vsiID, request.managerID, snapshot.grant?.filter ?? request.filter)
    }

    private func parts(_ request: BridgeRequest, _ snapshot: BridgeVSISnapshot) -> VSIStatusParts {
        var parts = VSIStatusParts(
            port: name, typeID: Int(request.typeID), typeVersion: Int(request.typeVersion),
            state: EVBModel.VSIState(granted: snapshot.grant?.command),
            reason: snapshot.grant == nil ? nil : .success)
        parts.networks = networks(of: snapshot)
        return parts
    }

    private func networks(of snapshot: BridgeVSISnapshot) -> [VSINetwork] {
        var networks: [VSINetwork] = []
        for entry in snapshot.grant?.filter.entries ?? [] {
            guard let vni = seat.vni(of: entry, snapshot.vsiID) else { continue }
            let network = VSINetwork(vlan: Int(entry.vid), vni: Int(vni))
            if !networks.contains(network) { networks.append(network) }
        }
        return networks
    }

    /// A VSI with its managed objects; nil if there is none.
    package func vsiDetails(_ vsiID: VSIID) -> VSIDetails? {
        guard let snapshot = port.vsi(vsiID), let status = vsiStatus(vsiID),
            let request = snapshot.request ?? snapshot.pending
        else { return nil }
        let (filter, answer) = (snapshot.grant?.filter ?? request.filter, snapshot.answer)
        return VSIDetails(
            vsi: status,
            vsidb: VSIDBObjects(
                timeSinceCreate: now.since(snapshot.createdAt).hundredths,
                vdpOperCmd: .init((snapshot.pending ?? request).command),
                operRevert: answer?.status.contains(.keep) ?? false, operHard: answer?.status.contains(.hard) ?? false,
                operReason: answer.map { .init($0.status.reason) }, operReasonCode: answer.map { Int($0.reasonCode) },
                mgrID16: hexadecimal(request.managerID.octets), filterFormat: .init(filter.format),
                numMACs: filter.entries.count, vdpMachineState: .init(snapshot.grant?.command),
                vdpCommandsSucceeded: Int(clamping: snapshot.counters.succeeded),
                vdpCommandsFailed: Int(clamping: snapshot.counters.failed),
                vdpCommandReverts: Int(clamping: snapshot.counters.reverted),
                // They begin with the VSI, and never again.
                vdpCounterDiscontinuity: now.since(snapshot.createdAt).hundredths))
    }
}

extension EVBModel.VSIState {
    /// What holds; while nothing does, the request is pending.
    fileprivate init(granted command: VDPCommand?) {
        self = command.map { EVBModel.VSIState($0) } ?? .pending
    }
}

extension SBPObjects {
    fileprivate init(_ snapshot: BridgePortSnapshot, isManual: Bool) {
        let isNegotiated = snapshot.dialect == .ratified
        self.init(
            lldpManual: isManual,
            vdpOperRsrcWaitDelayExp: isNegotiated ? Int(snapshot.timers.resourceWaitDelayExponent) : nil,
            vdpOperReinitKeepAliveExp: isNegotiated ? Int(snapshot.timers.reinitKeepAliveExponent) : nil,
            vdpOperToutKeepAlive: Int(clamping: snapshot.keepAliveTimeout.nanoseconds / 1000))
    }
}

extension ECPObjects {
    fileprivate init(_ snapshot: BridgePortSnapshot) {
        let (timers, statistics) = (snapshot.timers, snapshot.statistics)
        self.init(
            operAckTimerInitExp: snapshot.dialect == .ratified ? Int(timers.retransmissionExponent) : nil,
            operMaxRetries: Int(snapshot.times.retries),
            txFrameCount: Int(clamping: statistics.ecpTxFrames), txRetryCount: Int(clamping: statistics.ecpTxRetries),
            txFailures: Int(clamping: statistics.ecpTxFailures), rxFrameCount: Int(clamping: statistics.ecpRxFrames))
    }
}
