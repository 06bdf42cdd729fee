internal import ChannelDataplane
package import EVBModel
internal import EVBProtocol
internal import EVBSettings
internal import EVBWire

// What managers are shown of an uplink and of its channels.

extension UplinkController {
    /// How the interface is divided.
    package var status: UplinkStatus {
        let peer = negotiation.peer
        let isRunning = !settings.isNegotiated || peer != nil
        let pool = settings.role == .bridge ? settings.svids : nil
        let remoteCapacity = negotiation.remote.map { min(Int($0.capacity), UplinkSettings.capacityMax) }
        return UplinkStatus(
            cdcp: settings.isNegotiated, state: isRunning ? .running : .notRunning,
            role: settings.role == .station ? .station : .bridge, adminCapacity: settings.capacity,
            operCapacity: isRunning ? min(settings.capacity, remoteCapacity ?? settings.capacity) : 1,
            svidPoolLow: pool.map { Int($0.lowerBound) }, svidPoolHigh: pool.map { Int($0.upperBound) },
            peer: peer.map {
                SChannelPeerStatus(chassisID: $0.chassis.text(isChassis: true), portID: $0.port.text(isChassis: false))
            },
            local: negotiation.local.map { CDCPTLVStatus($0) }, remote: negotiation.remote.map { CDCPTLVStatus($0) },
            channels: self.channels.map { scid in
                SChannelEntry(
                    interface: settings.name(of: scid), scid: Int(scid.rawValue), svid: svid(scid),
                    reason: reason(scid))
            })
    }

    /// The channel that a port is; nil if it is none of this uplink's.
    package func channel(_ port: String) -> SChannelStatus? {
        scid(of: port).map {
            SChannelStatus(uplink: interface, scid: Int($0.rawValue), svid: svid($0), reason: reason($0))
        }
    }

    /// What is wrong with a channel, or with those of the interface where `port` is that.
    package func problems(_ port: String) -> [PortProblem] {
        guard port == interface else {
            guard let scid = scid(of: port), let reason = reason(scid) else { return [] }
            return [
                PortProblem(
                    kind: .channelDown, message: "S-channel \(scid) of \(interface) is not there: \(reason)",
                    hint: hint(scid, port))
            ]
        }
        let ofRules = devices.failures.filter { $0.subject == interface }.map {
            PortProblem(kind: .cdcp, message: $0.message, hint: $0.hint)
        }
        return ofRules
            + negotiation.faults.filter(\.isTold).map {
                PortProblem(kind: .cdcp, message: $0.message, hint: $0.hint(negotiation.role))
            }
    }

    /// What was counted of CDCP.
    package var counters: [Counter: UInt64] {
        guard let statistics = negotiation.statistics else { return [:] }
        var counters: [Counter: UInt64] = [
            .cdcpTxFrames: statistics.lldpSent, .cdcpRxFrames: statistics.lldpReceived,
            .cdcpRxAgeouts: statistics.lldpAgeouts,
        ]
        for kind in CDCPFault.Kind.allCases { counters[kind.counter] = statistics.faults[kind] ?? 0 }
        return counters
    }

    private func svid(_ scid: SCID) -> Int? { given(scid).map { Int($0.rawValue) } }

    private func reason(_ scid: SCID) -> String? {
        let name = settings.name(of: scid)
        if let failure = devices.failures.first(where: { $0.subject == name }) { return failure.message }
        if let failure = devices.failures.first(where: { $0.subject == interface }) { return failure.message }
        guard given(scid) == nil else { return nil }
        if let loss = losses[scid] { return loss.text(negotiation.role.peer) }
        return "no neighbour gives it by CDCP"
    }

    private func hint(_ scid: SCID, _ name: String) -> String {
        let subjects = [name, interface]
        if let failure = devices.failures.first(where: { subjects.contains($0.subject) }) { return failure.hint }
        return negotiation.peer == nil
            ? "enable CDCP at the other end, in LLDP for 01:80:c2:00:00:03 (nearest non-TPMR bridge); see port show \(interface)"
            : "see what the neighbour gives: evbctl port show \(interface)"
    }
}

extension CDCPTLVStatus {
    fileprivate init(_ tlv: CDCPTLV) {
        self.init(
            role: tlv.role == .station ? .station : .bridge, sComponent: tlv.hasSComponent, capacity: Int(tlv.capacity),
            pairs: tlv.pairs.map { SChannelPairStatus(scid: Int($0.scid.rawValue), svid: Int($0.svid.rawValue)) })
    }
}

extension CDCPFault.Kind {
    /// How often it was found.
    fileprivate var counter: Counter {
        switch self {
        case .unusableTLV: .cdcpUnusableTLV
        case .noDefaultPair: .cdcpNoDefaultPair
        case .badCapacity: .cdcpBadCapacity
        case .sameRole: .cdcpSameRole
        case .noSComponent: .cdcpNoSComponent
        case .badPair: .cdcpBadPair
        case .remainder: .cdcpRemainder
        case .severalTLVs: .cdcpSeveralTLVs
        case .onlyDefault: .cdcpOnlyDefault
        case .unaskedChannel: .cdcpUnaskedChannel
        case .beyondCapacity: .cdcpBeyondCapacity
        case .noSVID: .cdcpNoSVID
        case .severalNeighbours: .cdcpSeveralNeighbours
        }
    }
}
