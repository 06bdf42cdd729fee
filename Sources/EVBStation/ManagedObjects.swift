package import EVBModel
internal import EVBPorts
package import EVBProtocol
internal import EVBSettings
package import EVBTime
package import EVBWire
internal import EdgeRelays
internal import LinuxSystem

// The managed objects of the EVB MIB, made from the protocol's own snapshots; `StatusReports.swift` has the rest.

extension StationPortController {
    /// The port in full. It is the port of that `number`, from 1, of the `count` that the daemon has.
    package func details(number: Int, of count: Int) -> PortDetails {
        let snapshot = port.snapshot
        let unknown = relay.unseen.unknownNow(limit: UnknownAddresses.listedMax)
        return PortDetails(
            port: status, ifIndex: Int(interfaceIndex ?? 0), problems: problems,
            evbTLV: EVBTLVPair(
                local: snapshot.localTLV.ratified.map { EVBTLVStatus($0) },
                remote: snapshot.peer?.tlv.map { EVBTLVStatus($0) }),
            lldpNeighbour: snapshot.neighbour.map { NeighbourStatus($0, at: now) },
            sys: SysObjects(configuration, ports: count),
            urp: URPObjects(
                snapshot, ifIndex: Int(interfaceIndex ?? 0), number: number, isManual: configuration.evb.manual),
            ecp: ECPObjects(snapshot), xdot1: Xdot1Objects(snapshot, isTransmitted: configuration.evb.transmit),
            counterDiscontinuity: now.since(createdAt).hundredths,
            unknownAddresses: UnknownAddresses(
                count: unknown.count, addresses: unknown.addresses.map(\.description)),
            uplink: transport.surroundings.channels?.uplink(name), openVSwitch: switchStatus)
    }

    /// A VSI with its managed objects; nil if there is none.
    package func vsiDetails(_ vsiID: VSIID) -> VSIDetails? {
        guard let snapshot = port.vsi(vsiID), let status = vsiStatus(vsiID) else { return nil }
        return VSIDetails(vsi: status, vsidb: VSIDBObjects(snapshot, at: now))
    }
}

extension URPObjects {
    package init(_ snapshot: StationPortSnapshot, ifIndex: Int, number: Int, isManual: Bool) {
        let isNegotiated = snapshot.dialect == .ratified
        self.init(
            ifIndex: ifIndex, bindToISSPort: number, lldpManual: isManual,
            vdpOperRsrcWaitDelayExp: isNegotiated ? Int(snapshot.timers.resourceWaitDelayExponent) : nil,
            vdpOperRespWaitDelay: Int(clamping: snapshot.times.responseWaitDelay.nanoseconds / 1000),
            vdpOperReinitKeepAliveExp: isNegotiated ? Int(snapshot.timers.reinitKeepAliveExponent) : nil)
    }
}

extension ECPObjects {
    package init(_ snapshot: StationPortSnapshot) {
        let statistics = snapshot.statistics
        self.init(
            operAckTimerInitExp: snapshot.dialect == .ratified ? Int(snapshot.timers.retransmissionExponent) : nil,
            operMaxRetries: Int(snapshot.times.retries), txFrameCount: Int(clamping: statistics.ecpTxFrames),
            txRetryCount: Int(clamping: statistics.ecpTxRetries), txFailures: Int(clamping: statistics.ecpTxFailures),
            rxFrameCount: Int(clamping: statistics.ecpRxFrames))
    }
}

extension Xdot1Objects {
    package init(_ snapshot: StationPortSnapshot, isTransmitted: Bool) {
        let remote = snapshot.neighbour?.lldpdu.received(snapshot.dialect == .draft ? .draftEVB : .evb)
        self.init(
            evbConfigEvbTxEnable: isTransmitted,
            locEvbTlvString: isTransmitted ? hexadecimal(snapshot.localTLV.octets) : nil,
            remEvbTlvString: remote.map { hexadecimal($0) })
    }
}

extension VSIDBObjects {
    package init(_ snapshot: StationVSISnapshot, at now: Instant) {
        let status = snapshot.answer?.status
        self.init(
            timeSinceCreate: now.since(snapshot.createdAt).hundredths, vdpOperCmd: Command(snapshot.command),
            operRevert: status?.contains(.keep) ?? false, operHard: status?.contains(.hard) ?? false,
            operReason: status.map { Reason($0.reason) }, operReasonCode: snapshot.answer.map { Int($0.reasonCode) },
            mgrID16: hexadecimal(snapshot.request.managerID.octets), filterFormat: FilterFormat(snapshot.filter.format),
            numMACs: snapshot.filter.entries.count, vdpMachineState: Command(snapshot.operCommand),
            vdpCommandsSucceeded: Int(clamping: snapshot.counters.succeeded),
            vdpCommandsFailed: Int(clamping: snapshot.counters.failed),
            vdpCommandReverts: Int(clamping: snapshot.counters.reverted),
            // They begin with the VSI, and never again.
            vdpCounterDiscontinuity: now.since(snapshot.createdAt).hundredths)
    }
}
