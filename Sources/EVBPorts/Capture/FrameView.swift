internal import Dataplane
internal import EVBModel
internal import EVBProtocol
internal import EVBSettings
internal import EVBWire
internal import Netlink
internal import PacketSocket

/// What a port makes of frames, as far as it shows: its state and counters before a frame was taken in, and after.
///
/// The protocol itself knows nothing of captures: why it left a frame is told by the counter that it counted the frame with.
struct FrameView {
    private let port: any ManagedPort
    private let counters: [String: Int]
    private let status: PortStatus

    /// Remembers how the port stands.
    init(before port: any ManagedPort) {
        self.port = port
        counters = port.counters.counters
        status = port.status(VSICounts())
    }

    /// Who sends what comes in.
    private var sender: DraftVDPDU.Sender { status.role == .station ? .bridge : .station }

    // MARK: What was received

    /// What a frame that belongs to the port says, and what has become of it.
    func received(_ result: Result<Frame, WireError>, _ header: FrameHeader?) -> (lines: [String], isIgnored: Bool) {
        let frame: Frame
        switch result {
        case .failure(let error):
            let own = header.map { port.transport.isOwn($0) } ?? true
            let elsewhere = own ? "" : ", and went to \(header?.destination.description ?? "")"
            return (["ignored: it cannot be read: \(error)\(elsewhere)"], true)
        case .success(let read): frame = read
        }
        let after = port.counters.counters
        func moved(_ counter: Counter) -> Int {
            after[counter.rawValue, default: 0] - counters[counter.rawValue, default: 0]
        }
        var lines: [String] = []
        let ecp = FrameWords.ecp(frame.payload, from: sender)
        switch frame.payload {
        case .lldp(let lldpdu): lines = FrameWords.lldp(lldpdu)
        case .ecp, .draftECP: if let ecp { lines.append(ecp.head) }
        }
        let cause = isForChannels(frame) ? nil : cause(frame, moved)
        if let ecp { lines += Self.told(ecp, by: cause == nil ? port : nil) }
        if let cause {
            lines.append("ignored: \(cause)")
        } else {
            lines.append(
                "taken" + (isHeldBack(frame, moved) ? " later, as the port is slow on purpose" : outcome(frame)))
            lines += left(moved)
        }
        return (lines, cause != nil)
    }

    /// LLDPDUs to the nearest non-TPMR bridge are for CDCP, where the interface is divided.
    private func isForChannels(_ frame: Frame) -> Bool {
        guard case .lldp = frame.payload else { return false }
        return frame.destination == .nearestNonTPMRBridge && port.transport.onChannelFrame != nil
    }

    /// Why a frame was left; nil if it was taken.
    private func cause(_ frame: Frame, _ moved: (Counter) -> Int) -> String? {
        let peer = status.role == .station ? "bridge" : "station"
        if moved(.lldpRxOtherDestination) > 0 { return "LLDP to \(frame.destination) is for other agents" }
        if moved(.ecpRxOtherDestination) > 0 { return "\(frame.destination) is not the group address of ECP here" }
        if moved(.ecpRxDiscarded) > 0 { return discarded(frame) }
        if moved(.ecpRxOtherSource) > 0 {
            return "\(frame.source) is none of the \(peer)'s addresses by LLDP; ecp: { source: any } would take it"
        }
        if moved(.ecpRxDuplicates) > 0 { return "a repetition: acknowledged again, and not given to VDP" }
        if moved(.ecpRxRefused) > 0 { return "no room for its VSIs: not acknowledged, so that it comes again" }
        if moved(.ecpRxStrayAcks) > 0 { return "it acknowledges nothing that is under way" }
        if frame.source == port.transport.link?.ownAddress {
            return "its source is the port's own address: a loop, or a relay that reflects"
        }
        if !status.linkUp { return "the link is down" }
        if status.role == .bridge, !port.configuration.evb.transmit { return "EVB is off on this port (evb: transmit)" }
        if let misbehaviour = status.misbehaviour, misbehaviour.silent != nil, isHeldBack(frame, moved) {
            return "the port misbehaves on purpose: it \(misbehaviour.summary)"
        }
        if case .lldp = frame.payload, moved(.evbTLVsDiscarded) > 0, isOfPeer(frame) {
            return "its EVB TLV is unusable, and what the \(peer) said before holds until its time is over"
        }
        return nil
    }

    /// Whether a port that misbehaves has kept a request from its protocol, for now or for ever.
    private func isHeldBack(_ frame: Frame, _ moved: (Counter) -> Int) -> Bool {
        status.misbehaviour != nil && frame.payload.isRequest && moved(.ecpRxFrameCount) == 0
    }

    /// Why an ECP frame is counted as discarded that can be read.
    private func discarded(_ frame: Frame) -> String {
        let peer = status.role == .station ? "bridge" : "station"
        guard status.peer != nil else { return "no EVB \(peer) is known by LLDP" }
        switch frame.payload {
        case .draftECP where status.dialect != .draft:
            return "it is the draft's ECP, and the port speaks the ratified one"
        case .ecp where status.dialect == .draft:
            return "it is the ratified ECP, and the port speaks the draft's"
        case .ecp(let ecpdu) where ecpdu.subtype != .vdp:
            return "ECP of subtype \(ecpdu.subtype.rawValue) is not spoken here"
        case .lldp, .ecp, .draftECP: return "VDP is not agreed on with the \(peer)"
        }
    }

    private func isOfPeer(_ frame: Frame) -> Bool {
        guard case .lldp(let lldpdu) = frame.payload, let peer = status.peer else { return false }
        return lldpdu.chassisID.text(isChassis: true) == peer.chassisID
            && lldpdu.portID.text(isChassis: false) == peer.portID
    }

    /// What a frame that was taken has led to.
    private func outcome(_ frame: Frame) -> String {
        guard case .lldp(let lldpdu) = frame.payload else { return "" }
        if isForChannels(frame) {
            let state = port.transport.surroundings.channels?.uplink(port.name)?.state.rawValue
            return " for the S-channels" + (state.map { "; CDCP is \($0) now" } ?? "")
        }
        let now = port.status(VSICounts())
        let role = now.role == .station ? "bridge" : "station"
        let relay = "reflective relay: \(now.reflectiveRelay.status.rawValue)"
        guard let peer = now.peer else {
            return status.peer == nil ? "; no EVB \(role) is known" : "; the EVB \(role) is lost by it"
        }
        let isPeer =
            lldpdu.chassisID.text(isChassis: true) == peer.chassisID
            && lldpdu.portID.text(isChassis: false) == peer.portID
        guard isPeer else { return "; its sender is not the EVB \(role) that is spoken with" }
        return
            "; its sender is the EVB \(role) that is spoken with\(status.peer == nil ? " from now on" : ""), \(relay)"
    }

    /// What VDP has left of a frame that ECP took.
    private func left(_ moved: (Counter) -> Int) -> [String] {
        let table: [(Counter, String)] = [
            (.vdpUnsolicited, "nothing waits for it"), (.vdpUnknownVSI, "the VSI is not known here"),
            (.vdpMismatchedAnswers, "it answers another manager, type or filter"),
            (.vdpMalformed, "it is not what it claims to be"),
        ]
        return table.compactMap { counter, words in
            let count = moved(counter)
            return count > 0 ? "VDP ignored \(count == 1 ? "1 TLV" : "\(count) TLVs"): \(words)" : nil
        }
    }

    /// The VSIs of a frame, with their states at the port that has taken or sent it; nil where none has.
    private static func told(_ ecp: FrameWords.ECP, by port: (any ManagedPort)?) -> [String] {
        var lines = ecp.vsis.prefix(FrameWords.vsisMax).map { vsiID, words in
            port.map { "\(words); \($0.vsiState(vsiID)?.rawValue ?? "not known") here now" } ?? words
        }
        if ecp.vsis.count > FrameWords.vsisMax { lines.append("and \(ecp.vsis.count - FrameWords.vsisMax) VSIs more") }
        return lines + ecp.defects.prefix(FrameWords.vsisMax)
    }

    /// What a frame says that does not belong to the port, and why it does not.
    func stray(_ result: Result<Frame, WireError>, _ header: FrameHeader?, _ arrival: PacketSocket.Arrival?) -> [String]
    {
        var lines: [String] = []
        switch result {
        case .failure(let error): lines.append("it cannot be read: \(error)")
        case .success(let frame):
            if case .lldp(let lldpdu) = frame.payload { lines = FrameWords.lldp(lldpdu) }
            if let ecp = FrameWords.ecp(frame.payload, from: sender) {
                lines = [ecp.head] + Self.told(ecp, by: nil)
            }
        }
        var causes: [String] = []
        let transport = port.transport
        if let index = arrival?.interfaceIndex, index != transport.link?.index {
            let name = transport.surroundings.table[index]?.name ?? "interface \(index)"
            causes.append("it came in on \(name), a device on \(port.name)")
        }
        if let tag = arrival?.tag, tag.value & 0x0FFF != 0 { causes.append("it is in VLAN \(tag.value & 0x0FFF)") }
        if let header, !transport.isOwn(header) {
            causes.append("\(header.destination) is not an address of this protocol on \(port.name)")
        }
        // A socket of one EtherType sees frames once the kernel has taken off the tags of VLANs that the host does not have.
        if causes.isEmpty { causes.append("it bore a VLAN tag, which the kernel has taken off") }
        return lines + ["ignored: " + causes.joined(separator: ", and ")]
    }

    // MARK: What was sent

    /// What a frame of the port's says.
    static func sent(_ frame: Frame, by port: any ManagedPort) -> [String] {
        let role = port.configuration.role
        switch frame.payload {
        case .lldp(let lldpdu): return FrameWords.lldp(lldpdu)
        case .ecp, .draftECP:
            guard let ecp = FrameWords.ecp(frame.payload, from: role == .station ? .station : .bridge) else {
                return []
            }
            return [ecp.head] + told(ecp, by: port)
        }
    }
}

extension Frame.Payload {
    /// Whether it carries something for the protocol above ECP.
    fileprivate var isRequest: Bool {
        switch self {
        case .ecp(let ecpdu): ecpdu.operation == .request
        case .draftECP(let ecpdu): ecpdu.operation == .request
        case .lldp: false
        }
    }
}
