package import EVBModel
package import EVBPorts
internal import EVBProtocol
internal import EVBSettings
package import EVBTime
package import EVBWire
internal import EdgeRelayMachine
internal import EdgeRelays
package import JSON
internal import Netlink

// What managers are shown, made from the protocol's own snapshots.

extension StationPortController {
    package var status: PortStatus {
        // Those that do not know of a loss yet have not told of it.
        var counts = VSICounts()
        if port.isLosing { count(0..<placeCount, into: &counts) } else { counts = counted }
        return status(counts)
    }

    private var counted: VSICounts {
        var counts = stateCounts
        counts.deassociated = 0
        counts.deassociated = max(port.vsiCount - counts.all, 0)
        return counts
    }

    /// The port in brief.
    package func status(_ counts: VSICounts) -> PortStatus {
        let brief = port.brief
        let timers = brief.timers
        return PortStatus(
            interface: name, role: .station, linkUp: brief.isLinkUp,
            linkState: transport.linkState(isUp: brief.isLinkUp),
            dialect: shownDialect(brief.dialect, hasPeer: brief.peer != nil),
            peer: brief.peer.map {
                PeerStatus(
                    chassisID: $0.chassisID.text(isChassis: true), portID: $0.portID.text(isChassis: false),
                    evbMode: ($0.tlv?.mode ?? .bridge).name)
            },
            reflectiveRelay: EVBModel.ReflectiveRelayStatus(
                requested: configuration.edgeRelay == .vepa,
                status: relayGrant(brief)),
            timers: TimerStatus(
                retries: Int(timers.retries), rte: Int(timers.retransmissionExponent),
                rwd: Int(timers.resourceWaitDelayExponent), rka: Int(timers.reinitKeepAliveExponent)),
            vsis: counts, drain: drain, channel: transport.channel)
    }

    package func writeStatus(to writer: inout JSONWriter) {
        statusText.write(to: &writer, isKept: transport.channel == nil) { status }
    }

    package var placeCount: Int { port.placeCount }

    package var vsiCount: Int { port.vsiCount }

    package func count(_ places: Range<Int>, into counts: inout VSICounts) {
        port.forEachState(in: places) { counts.add(EVBModel.VSIState($0)) }
    }

    package var associationTimes: DurationHistogram { port.snapshot.statistics.vdp.associationTimes }

    package var ecpRoundTrips: DurationHistogram { port.snapshot.statistics.ecpRoundTrips }

    package func trafficSource(of vsiID: VSIID) -> TrafficSource {
        if let index = relay.counted(vsiID)?.index { return .link(index) }
        return .none(
            "the VSI has no link whose counters evbd can read; a link in another network namespace counts there")
    }

    package func traffic(of vsiID: VSIID, _ reading: TrafficReading) -> VSITraffic? {
        guard let (index, isOtherEnd) = relay.counted(vsiID), let link = reading.links[index] else { return nil }
        let toKernel = TrafficCounts(
            frames: Int(clamping: link.receivedFrames), octets: Int(clamping: link.receivedOctets),
            drops: Int(clamping: link.receivedDrops))
        let fromKernel = TrafficCounts(
            frames: Int(clamping: link.sentFrames), octets: Int(clamping: link.sentOctets),
            drops: Int(clamping: link.sentDrops))
        return isOtherEnd
            ? VSITraffic(sent: toKernel, received: fromKernel) : VSITraffic(sent: fromKernel, received: toKernel)
    }

    package var counters: StatisticsReport {
        let statistics = port.snapshot.statistics
        let vdp = statistics.vdp
        let own: [Counter: UInt64] = [
            .vdpCommandsSucceeded: vdp.commandsSucceeded,
            .vdpCommandsFailed: vdp.commandsFailed, .vdpCommandReverts: vdp.commandReverts,
            .vdpKeepAlives: vdp.keepAlives, .vdpRepeats: vdp.repeats, .vdpStalls: vdp.stalls,
            .vdpUnsolicited: vdp.unsolicited, .vdpUnknownVSI: vdp.unknownVSI,
            .vdpMismatchedAnswers: vdp.mismatchedAnswers, .vdpMalformed: vdp.malformed,
        ]
        var report = StatisticsReport(
            interface: name, statistics.counters(with: transport), counterDiscontinuity: now.since(createdAt).hundredths
        )
        report.add(own)
        return report
    }

    package var vsiIDs: [VSIID] { port.vsiIDs }

    package func vsiState(_ vsiID: VSIID) -> EVBModel.VSIState? {
        port.standing(of: vsiID).map { EVBModel.VSIState($0.state) }
    }

    package func holds(_ vsiID: VSIID) -> Bool { port.standing(of: vsiID) != nil }

    package func vsiTraits(_ vsiID: VSIID) -> VSITraits? {
        guard let snapshot = port.vsi(vsiID) else { return nil }
        let (request, managed) = (snapshot.request, vsis[vsiID])
        return VSITraits(
            reason: snapshot.reason.map { EVBModel.VSIReason($0) }, managerID: request.managerID,
            typeID: request.typeID, filter: snapshot.filter,
            link: relay.link(of: vsiID)?.name ?? managed?.link?.name, label: managed?.label)
    }

    package func writeVSI(_ vsiID: VSIID, to writer: inout JSONWriter) -> Bool {
        guard let snapshot = port.vsi(vsiID) else { return false }
        parts(of: vsiID, snapshot).write(to: &writer, vsiID, snapshot.request.managerID, snapshot.filter)
        return true
    }

    /// A VSI as managers see it; nil if there is none.
    package func vsiStatus(_ vsiID: VSIID) -> VSIStatus? {
        port.vsi(vsiID).map { VSIStatus(parts(of: vsiID, $0), vsiID, $0.request.managerID, $0.filter) }
    }

    private func parts(of vsiID: VSIID, _ snapshot: StationVSISnapshot) -> VSIStatusParts {
        let link = relay.link(of: vsiID)
        let shown = link.map { link in
            VSILink(
                name: link.name, kind: link.kind.flatMap { LinkKind(rawValue: $0) },
                mode: link.mode.flatMap { LinkMode(rawValue: $0.rawValue) })
        }
        let managed = vsis[vsiID]
        let wantsLink = shown == nil && managed?.link != nil && !relay.isElsewhere(vsiID)
        // What is bound is not asked for.
        let retry = snapshot.operCommand == nil ? port.retryTime(of: vsiID) : nil
        var parts = VSIStatusParts(
            port: name, snapshot.request, state: EVBModel.VSIState(snapshot.state),
            reason: snapshot.reason.map { EVBModel.VSIReason($0) })
        parts.link = shown
        if let link { parts.warnings = warnings(of: link, snapshot.filter) }
        parts.label = managed?.label
        if wantsLink { parts.requestedLink = managed?.link?.shown }
        parts.retryInMilliseconds = retry.map { Int(clamping: $0.since(now).nanoseconds / 1_000_000) }
        return parts
    }
}

extension EdgeRelay.Demand {
    /// The link by which a VSI is shown while it has none; nil for whichever link has its address.
    fileprivate var shown: VSILink? {
        switch self {
        case .make(let specification):
            VSILink(
                name: specification.name, kind: LinkKind(rawValue: specification.kind.rawValue),
                mode: specification.mode.flatMap { LinkMode(rawValue: "\($0)") })
        case .find: name.map { VSILink(name: $0) }
        case .function: name.map { VSILink(name: $0) }
        }
    }
}
