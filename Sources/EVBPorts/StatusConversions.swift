package import EVBModel
package import EVBProtocol
package import EVBSettings
package import EVBTime
package import EVBWire
package import JSON

// The protocol's values as the model shows them, for ports of both roles.

extension VSIStatus {
    /// The same VSI after it has been de-associated and forgotten.
    package func released() -> VSIStatus {
        var copy = self
        copy.state = .deassociated
        copy.reason = nil
        copy.link = nil
        return copy
    }
}

extension VSIStatusParts {
    package init(
        port: String, _ request: EVBProtocol.VSIRequest, state: EVBModel.VSIState, reason: EVBModel.VSIReason?
    ) {
        self.init(
            port: port, typeID: Int(request.typeID), typeVersion: Int(request.typeVersion), state: state,
            reason: reason)
    }

    /// Writes the status of a VSI with these parts: what ``VSIStatus`` writes, without the texts and lists that it has.
    package func write(
        to writer: inout JSONWriter, _ vsiID: VSIID, _ managerID: VSIManagerID, _ filter: FilterInfo
    ) {
        write(
            to: &writer, format: EVBModel.VSIIDFormat(vsiID.format),
            vsiID: { writer in
                guard vsiID.format == .uuid else { return writer.value(vsiID.description) }
                writer.value(most: VSIID.uuidMax) { vsiID.writeUUID(to: $0) }
            },
            managerID: { $0.value(orNull: managerID == .unspecified ? nil : managerID.description) },
            filters: { writer in
                if let only = filter.entries.only {
                    return writer.list(count: 1) { writer, _ in only.write(to: &writer) }
                }
                writer.list(count: filter.entries.count) { filter.entries[$1].write(to: &$0) }
            })
    }
}

extension VSIStatus {
    package init(_ parts: VSIStatusParts, _ vsiID: VSIID, _ managerID: VSIManagerID, _ filter: FilterInfo) {
        self.init(
            parts, vsiID: vsiID.description, format: EVBModel.VSIIDFormat(vsiID.format),
            managerID: managerID == .unspecified ? nil : managerID.description,
            filters: filter.entries.map { VSIFilter($0) })
    }
}

extension FilterEntry {
    /// What ``VSIFilter`` writes.
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("group", orNull: groupID.map { Int($0) })
            writer.key("mac")
            if let macAddress {
                writer.value(most: MACAddress.textMax) { macAddress.write(to: $0) }
            } else {
                writer.null()
            }
            writer.member("pcp", orNull: pcp.map { Int($0) })
            writer.member("vlan", Int(vid))
        }
    }
}

extension VSICounts {
    /// Counts one VSI more.
    package mutating func add(_ state: EVBModel.VSIState, _ count: Int = 1) {
        switch state {
        case .associated: associated += count
        case .preassociated, .preassociatedRR: preassociated += count
        case .pending: pending += count
        case .deassociated: deassociated += count
        }
    }
}

extension HistogramReport {
    package init(_ histogram: DurationHistogram) {
        self.init(
            bounds: histogram.scale.bounds.map { Int(clamping: $0.nanoseconds / 1000) },
            counts: histogram.counts.map { Int(clamping: $0) }, sumMicroseconds: Int(clamping: histogram.sum / 1000))
    }
}

extension VSIFilter {
    package init(_ entry: FilterEntry) {
        self.init(
            mac: entry.macAddress?.description, vlan: Int(entry.vid), pcp: entry.pcp.map { Int($0) },
            group: entry.groupID.map { Int($0) })
    }
}

extension EVBModel.VSIIDFormat {
    /// One that has no name of its own is shown as a local name.
    package init(_ format: EVBWire.VSIIDFormat) {
        self =
            switch format {
            case .ipv4: .ipv4
            case .ipv6: .ipv6
            case .mac: .mac
            case .uuid: .uuid
            default: .local
            }
    }
}

extension EVBModel.VSIState {
    package init(_ state: EVBProtocol.VSIState) {
        self =
            switch state {
            case .deassociated: .deassociated
            case .pending: .pending
            case .preassociated: .preassociated
            case .preassociatedWithReservation: .preassociatedRR
            case .associated: .associated
            }
    }
}

extension EVBModel.VSIReason {
    package init(_ reason: EVBProtocol.VSIReason) {
        self =
            switch reason {
            case .success: .success
            case .invalidFormat: .invalidFormat
            case .insufficientResources: .insufficientResources
            case .managerUnreachable: .managerUnreachable
            case .otherFailure: .otherFailure
            case .invalidFilter: .invalidVIDGroupMAC
            case .timeout: .timeout
            case .bridgeDeassociated: .bridgeDeassociated
            case .bridgeLost: .bridgeLost
            case .bridgeOverloaded: .bridgeOverloaded
            case .drained: .drained
            }
    }
}

extension EVBMode {
    /// The mode's name in replies.
    package var name: String {
        switch self {
        case .notSupported: "not-supported"
        case .bridge: "bridge"
        case .station: "station"
        case .nvo3: "nvo3"
        }
    }
}

extension EVBTLVStatus {
    package init(_ tlv: EVBTLV) {
        let relay: RelayState =
            switch tlv.stationStatus.reflectiveRelayStatus {
            case .off: .off
            case .on: .on
            case .reserved, .unknown: .unknown
            }
        self.init(
            evbMode: tlv.mode.name, bgid: tlv.bridgeStatus.contains(.groupIDs),
            rrcap: tlv.bridgeStatus.contains(.reflectiveRelayCapable),
            rrctr: tlv.bridgeStatus.contains(.reflectiveRelayControl), sgid: tlv.stationStatus.groupIDs,
            rrreq: tlv.stationStatus.reflectiveRelayRequest, rrstat: relay, retries: Int(tlv.retries),
            rte: Int(tlv.retransmissionExponent), rwd: Int(tlv.resourceWaitDelay.exponent),
            rwdOrigin: tlv.resourceWaitDelay.isRemote ? .remote : .local, rka: Int(tlv.reinitKeepAlive.exponent),
            rkaOrigin: tlv.reinitKeepAlive.isRemote ? .remote : .local)
    }
}

extension NeighbourStatus {
    package init(_ neighbour: NeighbourSnapshot, at now: Instant) {
        func text(_ type: UInt8) -> String? {
            for case .basic(type, let value) in neighbour.lldpdu.optional {
                return printable(value)
            }
            return nil
        }
        self.init(
            chassisID: neighbour.lldpdu.chassisID.text(isChassis: true),
            portID: neighbour.lldpdu.portID.text(isChassis: false), ttlSeconds: Int(neighbour.lldpdu.timeToLive),
            ageSeconds: Int(clamping: now.since(neighbour.heard).nanoseconds / 1_000_000_000),
            systemName: text(5), systemDescription: text(6), portDescription: text(4),
            chassisIDSubtype: Int(neighbour.lldpdu.chassisID.subtype),
            portIDSubtype: Int(neighbour.lldpdu.portID.subtype),
            tlvs: neighbour.lldpdu.received.map { hexadecimal($0) })
    }
}

/// A peer's text with everything that a terminal might obey replaced.
private func printable(_ octets: [UInt8]) -> String {
    String(decoding: octets.map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
}

extension SysObjects {
    package init(_ configuration: PortSettings, ports: Int) {
        self.init(
            type: configuration.role == .bridge ? .evbBridge : .evbStation, numExternalPorts: ports,
            evbLldpTxEnable: configuration.evb.transmit, evbLldpManual: configuration.evb.manual,
            evbLldpGidCapable: configuration.groupIDs, ecpDfltAckTimerExp: configuration.ecp.rte,
            ecpMaxRetries: configuration.ecp.retries, vdpDfltRsrcWaitDelayExp: configuration.vdp.rwd,
            vdpDfltReinitKeepAliveExp: configuration.vdp.rka)
    }
}

extension Interval {
    /// In hundredths of a second, rounded down.
    package var hundredths: Int { Int(clamping: nanoseconds / 10_000_000) }
}

/// Two lowercase hexadecimal digits for each octet.
package func hexadecimal(_ octets: [UInt8]) -> String {
    octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

extension FilterEntry {
    /// The entry that a client wrote; without a VLAN the bridge is asked for one.
    package init(_ filter: VSIFilter) {
        self.init(
            vid: UInt16(clamping: filter.vlan ?? 0), pcp: filter.pcp.map { UInt8(clamping: $0) },
            macAddress: filter.mac.flatMap { MACAddress($0) }, groupID: filter.group.map { UInt32(clamping: $0) })
    }
}

extension VSIDBObjects.Command {
    /// A command; without one a VSI is de-associated.
    package init(_ command: VDPCommand?) {
        self =
            switch command {
            case .preAssociate: .preAssociate
            case .preAssociateWithReservation: .preAssociateWithRsrcReservation
            case .associate: .associate
            case .deAssociate, nil: .deAssociate
            }
    }
}

extension VSIDBObjects.Reason {
    package init(_ reason: VDPReason) {
        self =
            switch reason {
            case .success: .success
            case .invalidFormat: .invalidFormat
            case .insufficientResources: .insufficientResources
            default: .otherfailure
            }
    }
}

extension VSIDBObjects.FilterFormat {
    package init(_ format: EVBWire.FilterFormat) {
        self =
            switch format {
            case .vid: .vid
            case .macVID: .macVid
            case .groupVID: .groupidVid
            case .groupMACVID: .groupidMacVid
            }
    }
}
