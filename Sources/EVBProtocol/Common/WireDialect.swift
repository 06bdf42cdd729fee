public import EVBWire

/// The generation of EVB, ECP and VDP that is on the wire.
///
/// The machines are the same for both. All that differs is here and in ``StationDialectNegotiation``: how ECPDUs and VDPDUs are
/// written, and what the draft cannot say.
public enum WireDialect: String, Hashable, Sendable, CaseIterable {
    /// IEEE 802.1Qbg as ratified, now 802.1Q clauses 40 to 43.
    case ratified
    /// "Draft 0.2", as IBM's and Lenovo's switches and lldpad's `evbCfg` speak it.
    case draft
}

/// Which dialects a port may speak.
public enum DialectChoice: Hashable, Sendable {
    /// The neighbour's: its EVB TLVs tell which it speaks, and the ratified one goes first. The ratified one while no
    /// neighbour is heard.
    case automatic
    /// The ratified one alone.
    case ratified
    /// The draft alone.
    case draft
}

/// The EVB TLV of a side, in the dialect that it speaks.
public enum DialectTLV: Hashable, Sendable {
    case ratified(EVBTLV)
    case draft(DraftEVBTLV)

    /// The dialect that its sender speaks.
    public var dialect: WireDialect {
        switch self {
        case .ratified: .ratified
        case .draft: .draft
        }
    }

    /// The TLV of the ratified dialect, if it is one.
    public var ratified: EVBTLV? {
        if case .ratified(let tlv) = self { tlv } else { nil }
    }

    /// The TLV of the draft, if it is one.
    public var draft: DraftEVBTLV? {
        if case .draft(let tlv) = self { tlv } else { nil }
    }

    /// The TLV's octets, with the header.
    public var octets: [UInt8] { optionalTLV.octets }

    /// The TLV as it stands in an LLDPDU.
    var optionalTLV: LLDPDU.OptionalTLV {
        switch self {
        case .ratified(let tlv): .evb(tlv)
        case .draft(let tlv): .draftEVB(tlv)
        }
    }

    /// In a station's TLV: it asks for reflective relay.
    public var requestsReflection: Bool {
        switch self {
        case .ratified(let tlv): tlv.stationStatus.reflectiveRelayRequest
        case .draft(let tlv): tlv.supportedModes.contains(.reflectiveRelay)
        }
    }

    /// In a bridge's TLV: it reflects frames on this port.
    var reflects: Bool {
        switch self {
        case .ratified(let tlv): tlv.bridgeStatus.contains(.reflectiveRelayControl)
        case .draft(let tlv): tlv.configuredModes.contains(.reflectiveRelay)
        }
    }

    /// In a station's TLV: it shows that the station has heard a bridge. One that has nothing to offer leaves no trace in it.
    var showsBridge: Bool {
        switch self {
        case .ratified(let tlv): !tlv.bridgeStatus.isEmpty
        case .draft(let tlv): !tlv.configuredCapabilities.isEmpty
        }
    }

    /// In a bridge's TLV: it shows that the bridge has heard a station. One that has nothing to ask for leaves no trace in it.
    var showsStation: Bool {
        switch self {
        case .ratified(let tlv): tlv.stationStatus.reflectiveRelayRequest || tlv.stationStatus.groupIDs
        case .draft(let tlv): !tlv.configuredCapabilities.isEmpty
        }
    }

    /// In a bridge's TLV: it knows that the station asks for reflective relay, and does not reflect.
    ///
    /// A ratified bridge's first TLV cannot answer a request that it has not heard yet; its echo shows whether it has. The
    /// draft echoes nothing, but a bridge that cannot reflect says so from the beginning.
    var refusesReflection: Bool {
        switch self {
        case .ratified(let tlv): !reflects && tlv.stationStatus.reflectiveRelayRequest
        case .draft(let tlv): !reflects && !tlv.supportedModes.contains(.reflectiveRelay)
        }
    }
}

/// What the dialect that is spoken cannot say of a VSI.
public enum DialectLimit: String, Hashable, Sendable {
    /// The draft's filters are pairs of MAC address and VID.
    case filterFormat = "the draft has only filters of MAC address and VID"
    /// The draft's VSIIDs are UUIDs.
    case vsiIDFormat = "the draft has only UUIDs as VSIIDs"
    /// The draft's manager IDs have one octet.
    case managerID = "the draft has only manager IDs of one octet"
}

extension WireDialect {
    /// Why the EVB TLV of this dialect in a neighbour's LLDPDU cannot be used, if it cannot.
    func defect(in lldpdu: LLDPDU) -> WireError? {
        switch self {
        case .ratified: lldpdu.evbDefect
        case .draft: lldpdu.draftEVBDefect
        }
    }
}

// MARK: - ECP

extension WireDialect {
    /// Where ECP frames go.
    var ecpAddress: MACAddress {
        switch self {
        case .ratified: .nearestCustomerBridge
        case .draft: .nearestBridge
        }
    }

    /// Octets of ECP's header.
    var ecpHeaderLength: Int {
        switch self {
        case .ratified: ECPDU.headerLength
        case .draft: DraftECPDU.headerLength
        }
    }

    /// Octets that an ECPDU's payload may have on a port. The neighbour's receive buffer is built for a classic Ethernet
    /// frame, however large ours may be; below 576 octets nothing useful would fit.
    func payloadMax(mtu: Int) -> Int { min(max(mtu, 576), 1500) - ecpHeaderLength }

    /// Whether an ECPDU that is sent again has a new number. lldpad's draft drops a frame that is like the one before it
    /// without acknowledging it.
    var renumbersRetransmissions: Bool { self == .draft }

    /// An ECPDU as a frame's payload.
    func payload(_ ecpdu: ECPDU) -> Frame.Payload {
        switch self {
        case .ratified: .ecp(ecpdu)
        case .draft:
            .draftECP(
                DraftECPDU(operation: ecpdu.operation, sequence: ecpdu.sequence, payload: ecpdu.payload))
        }
    }

    /// The acknowledgement of a request.
    func acknowledgement(of request: ECPDU) -> ECPDU {
        switch self {
        case .ratified: request.acknowledgement
        case .draft:
            ECPDU(
                draft: DraftECPDU(operation: .request, sequence: request.sequence, payload: request.payload)
                    .acknowledgement)
        }
    }
}

extension ECPDU {
    /// The draft's ECPDU as the machines know it; VDP is all that it carries.
    init(draft: DraftECPDU) {
        self.init(operation: draft.operation, subtype: .vdp, sequence: draft.sequence, payload: draft.payload)
    }
}

// MARK: - VDP

extension WireDialect {
    /// A command or an answer, and the manager of its VSI.
    struct Association {
        let managerID: VSIManagerID
        let tlv: VSITLV
    }

    /// What a VDPDU says.
    struct Reading {
        var associations: [Association]
        /// TLVs that are not usable, with the managers of their VSIs where these can be made out.
        var rejected: [VDPDU.Rejected]
    }

    /// Octets of a VDPDU besides its associations.
    var vdpOverhead: Int {
        switch self {
        case .ratified: VDPDU.overhead
        case .draft: DraftVDPDU.overhead
        }
    }

    /// Octets that an association takes in a VDPDU.
    func encodedLength(of tlv: VSITLV) -> Int { encodedLength(tlv.filter, tlv.organizational) }

    /// The same for one with this filter and these organizationally specific TLVs.
    func encodedLength(_ filter: FilterInfo, _ organizational: [OrganizationalInformation]) -> Int {
        switch self {
        case .ratified: VSITLV.encodedLength(filter, organizational)
        case .draft: DraftVDPDU.encodedLength(filter)
        }
    }

    /// Whether VSIs of these managers may be in one VDPDU.
    func canJoin(_ one: VSIManagerID, _ other: VSIManagerID) -> Bool {
        switch self {
        case .ratified: one == other
        case .draft: true
        }
    }

    /// Whether an answer that names another command than the one asked for means that the bridge has changed the VSI.
    var bridgeChangesCommands: Bool { self == .draft }

    /// Whether a refusal can say that the VSI stays as it was.
    var saysKeep: Bool { self == .ratified }

    /// What of a bridge's filter reaches the station. The draft's entries have no priority.
    func expressed(_ filter: FilterInfo) -> FilterInfo {
        guard self == .draft else { return filter }
        var entries: [FilterEntry] = []
        for entry in filter.entries {
            let bare = FilterEntry(vid: entry.vid, macAddress: entry.macAddress, groupID: entry.groupID)
            if !entries.contains(bare) { entries.append(bare) }
        }
        return (try? FilterInfo(checking: entries)) ?? filter
    }

    /// What keeps this dialect from saying what is asked, if anything.
    package func limit(for request: VSIRequest) -> DialectLimit? {
        guard self == .draft else { return nil }
        if request.filter.format != .macVID { return .filterFormat }
        if request.vsiID.format != .uuid { return .vsiIDFormat }
        return request.managerID.draftOctet == nil ? .managerID : nil
    }

    /// Writes a VDPDU, one association after the other. All the managers can join.
    struct Writer {
        private var ratified: VDPDU.Writer?
        private var draft = DraftVDPDU(associations: [])

        /// The draft has a manager for each VSI; the length is what the PDU is expected to have.
        fileprivate init(_ dialect: WireDialect, _ manager: VSIManagerID, _ length: Int) {
            if dialect == .ratified { ratified = VDPDU.Writer(manager, reserving: length) }
        }

        mutating func append(_ tlv: VSITLV, of manager: VSIManagerID) {
            if ratified != nil {
                ratified?.append(tlv)
            } else {
                draft.associations.append(DraftVDPDU.Association(managerID: manager.draftOctet ?? 0, vsi: tlv))
            }
        }

        mutating func finish() -> [UInt8] { ratified?.finish() ?? draft.encoded() }
    }

    /// Begins a VDPDU of a manager's VSIs, of so many octets.
    func writer(_ manager: VSIManagerID, reserving length: Int) -> Writer { Writer(self, manager, length) }

    /// The octets of a VDPDU with one association.
    func encode(_ association: Association) -> [UInt8] {
        var writer = writer(
            association.managerID, reserving: vdpOverhead + encodedLength(of: association.tlv))
        writer.append(association.tlv, of: association.managerID)
        return writer.finish()
    }

    /// Reads a bridge's VDPDU.
    ///
    /// - Returns: what is usable of it, and how many TLVs are not.
    /// - Throws: when nothing of it is usable.
    func decode(_ payload: [UInt8]) throws(WireError) -> (associations: [Association], rejected: Int) {
        let reading = try read(payload, from: .bridge)
        return (reading.associations, reading.rejected.count)
    }

    /// Reads either side's VDPDU.
    ///
    /// - Throws: when nothing of it is usable.
    func read(_ payload: [UInt8], from sender: DraftVDPDU.Sender) throws(WireError) -> Reading {
        switch self {
        case .ratified:
            var decoded = try VDPDU.decode(payload)
            let manager = decoded.pdu.managerID
            for index in decoded.rejected.indices { decoded.rejected[index].managerID = manager }
            return Reading(
                associations: decoded.pdu.associations.map { Association(managerID: manager, tlv: $0) },
                rejected: decoded.rejected)
        case .draft:
            let decoded = DraftVDPDU.decode(payload, from: sender)
            return Reading(
                associations: decoded.pdu.associations.map {
                    Association(managerID: VSIManagerID(draftOctet: $0.managerID), tlv: $0.vsi)
                }, rejected: decoded.rejected)
        }
    }

    /// Whether `answer` is about what `request` asks for.
    @inline(__always) func matches(
        _ request: VDPStation.Terms, _ answer: VSITLV, from manager: VSIManagerID
    ) -> Bool {
        var manager = manager
        if self == .draft, manager.draftOctet == request.managerID.draftOctet {
            // Where one octet stands among sixteen is the port's own affair.
            manager = request.managerID
        }
        return request.matches(answer, from: manager)
    }
}
