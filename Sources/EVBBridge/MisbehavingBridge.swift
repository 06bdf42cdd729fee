internal import EVBModel
internal import EVBProtocol
internal import EVBTime
package import EVBWire

/// What a bridge port does wrong on purpose: stands between the port's protocol and both its station and its admission.
///
/// The protocol itself stays right, so that what the port shows of itself is true: what is refused is refused at both ends.
/// Only keep-alives, of which the protocol asks nobody, and Keep where nothing was are made up on their way out.
struct MisbehavingBridge {
    /// What to do with a frame that came in.
    enum Reception: Equatable {
        case take
        case drop
        /// Acknowledge it, and forget it.
        case acknowledge
        /// Acknowledge it, and take it later.
        case takeLater(Interval)
    }

    /// Refusals that are remembered until they are sent; stations choose VSIIDs, and may not wait for answers.
    private static let refusedMax = 16_384

    let settings: Misbehaviour
    /// The one VSI that is refused; nil for all.
    private let onlyVSI: VSIID?
    private var refusalsLeft: Int?
    private var acksToDrop: Int
    /// Hundredths of an acknowledgement that are owed to the floor.
    private var ackDebt = 0
    /// VSIs whose next answer tells a refusal with Keep that was made up here.
    private var refused: Set<VSIID> = []
    /// The last PDU that was changed: it is sent again as it was.
    private var lastChanged: (original: Frame.Payload, changed: Frame.Payload)?

    /// Begins to misbehave, if there is anything to do.
    init(_ settings: Misbehaviour = .none) {
        self.settings = settings
        onlyVSI = settings.vsiID.flatMap { VSIID($0) }
        refusalsLeft = settings.refuseCount
        acksToDrop = settings.dropAcks ?? 0
    }

    /// The refusal that is due for a VSI.
    private func refusal(for vsiID: VSIID) -> Refusal? {
        guard let reason = settings.refuse, onlyVSI == nil || onlyVSI == vsiID, refusalsLeft != 0 else { return nil }
        return Refusal(reason: VDPReason(rawValue: reason.code), isHard: settings.hard, isKept: settings.keep)
    }

    /// What is decided instead.
    mutating func judge(_ decision: BridgeDecision, on request: BridgeRequest) -> BridgeDecision {
        if let refusal = refusal(for: request.vsiID) {
            if let left = refusalsLeft { refusalsLeft = left - 1 }
            if refusal.isKept, refused.count < Self.refusedMax { refused.insert(request.vsiID) }
            return .refuse(refusal)
        }
        guard case .grant(let filter) = decision, let vlan = settings.vlan else { return decision }
        var entries: [FilterEntry] = []
        for var entry in filter.entries {
            entry.vid = UInt16(clamping: vlan)
            if !entries.contains(entry) { entries.append(entry) }
        }
        return .grant((try? FilterInfo(checking: entries)) ?? filter)
    }

    /// What to do with a frame from the station.
    func receive(_ frame: Frame) -> Reception {
        guard frame.payload.isECPRequest else { return .take }
        switch settings.silent {
        case .all: return .drop
        case .answers: return .acknowledge
        case nil: return settings.delay.map { .takeLater(.milliseconds(UInt64($0))) } ?? .take
        }
    }

    /// What is sent instead of a frame; nil for nothing.
    mutating func send(_ frame: Frame) -> Frame? {
        if frame.payload.isECPAcknowledgement { return dropsAck() ? nil : frame }
        guard settings.refuse != nil || !refused.isEmpty || lastChanged != nil else { return frame }
        var result = frame
        if let lastChanged, lastChanged.original == frame.payload {
            result.payload = lastChanged.changed
        } else {
            change(&result.payload)
            lastChanged = (frame.payload, result.payload)
        }
        return result
    }

    private mutating func dropsAck() -> Bool {
        if acksToDrop > 0 {
            acksToDrop -= 1
            return true
        }
        ackDebt += settings.dropAcksPercent ?? 0
        guard ackDebt >= 100 else { return false }
        ackDebt -= 100
        return true
    }

    private mutating func change(_ payload: inout Frame.Payload) {
        switch payload {
        case .ecp(var ecpdu):
            guard var pdu = try? VDPDU.decode(ecpdu.payload).pdu else { return }
            for place in pdu.associations.indices { change(&pdu.associations[place]) }
            ecpdu.payload = pdu.encoded()
            payload = .ecp(ecpdu)
        case .draftECP(var ecpdu):
            var pdu = DraftVDPDU.decode(ecpdu.payload, from: .bridge).pdu
            for place in pdu.associations.indices { change(&pdu.associations[place].vsi) }
            ecpdu.payload = pdu.encoded()
            payload = .draftECP(ecpdu)
        case .lldp: break
        }
    }

    /// Changes an answer; a De-Associate stays what it is.
    private mutating func change(_ tlv: inout VSITLV) {
        guard tlv.status.contains(.answer), tlv.command != .deAssociate else { return }
        if tlv.status.reason == .success {
            // A keep-alive: requests were judged before.
            guard let refusal = refusal(for: tlv.vsiID) else { return }
            if let left = refusalsLeft { refusalsLeft = left - 1 }
            let flags: VDPStatus = [refusal.isHard ? .hard : [], refusal.isKept ? .keep : []]
            tlv.status = .answer(refusal.reason, flags)
        } else if refused.remove(tlv.vsiID) != nil {
            tlv.status.insert(.keep)
        }
    }
}

extension Frame.Payload {
    /// Whether it carries something for the protocol above ECP.
    fileprivate var isECPRequest: Bool {
        switch self {
        case .ecp(let ecpdu): ecpdu.operation == .request
        case .draftECP(let ecpdu): ecpdu.operation == .request
        case .lldp: false
        }
    }

    /// Whether it acknowledges.
    var isECPAcknowledgement: Bool {
        switch self {
        case .ecp(let ecpdu): ecpdu.operation == .acknowledgement
        case .draftECP(let ecpdu): ecpdu.operation == .acknowledgement
        case .lldp: false
        }
    }

    /// What acknowledges it.
    package var acknowledgement: Frame.Payload? {
        switch self {
        case .ecp(let ecpdu): .ecp(ecpdu.acknowledgement)
        case .draftECP(let ecpdu): .draftECP(ecpdu.acknowledgement)
        case .lldp: nil
        }
    }
}
