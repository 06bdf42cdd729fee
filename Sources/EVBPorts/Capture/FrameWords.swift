internal import EVBModel
internal import EVBProtocol
internal import EVBWire

/// What a frame says, in words of printable ASCII: what a peer sent is never passed on raw.
enum FrameWords {
    /// VSIs of a frame that are told of one by one.
    static let vsisMax = 16
    /// Octets that are told of one frame.
    static let octetsMax = 2048

    /// The sentences as far as there is room for them.
    static func bounded(_ lines: [String]) -> [String] {
        var result: [String] = []
        var rest = octetsMax
        for line in lines {
            guard line.utf8.count <= rest else {
                result.append(String(decoding: line.utf8.prefix(max(rest - 3, 0)), as: UTF8.self) + "...")
                break
            }
            result.append(line)
            rest -= line.utf8.count
        }
        return result
    }

    // MARK: LLDP

    static func lldp(_ lldpdu: LLDPDU) -> [String] {
        let chassis = lldpdu.chassisID.text(isChassis: true)
        let port = lldpdu.portID.text(isChassis: false)
        let holds = lldpdu.timeToLive == 0 ? "says good-bye" : "holds \(lldpdu.timeToLive) s"
        var lines = ["LLDP from chassis \(chassis) port \(port), \(holds)"]
        var hasEVB = false
        for tlv in lldpdu.optional {
            switch tlv {
            case .evb(let evb):
                hasEVB = true
                lines.append(words(evb))
            case .draftEVB(let evb):
                hasEVB = true
                lines.append(words(evb))
            case .cdcp(let cdcp):
                hasEVB = true
                lines.append(words(cdcp))
            case .malformed(_, let error): lines.append("a TLV is unusable: \(error)")
            case .organizational, .basic: break
            }
        }
        if !hasEVB { lines.append("no EVB TLV") }
        return lines
    }

    private static func words(_ tlv: EVBTLV) -> String {
        let bridge = tlv.bridgeStatus
        let station = tlv.stationStatus
        let flags = [
            bridge.contains(.reflectiveRelayCapable) ? "RRCAP" : nil,
            bridge.contains(.reflectiveRelayControl) ? "RRCTR" : nil, bridge.contains(.groupIDs) ? "BGID" : nil,
            station.reflectiveRelayRequest ? "RRREQ" : nil, station.groupIDs ? "SGID" : nil,
        ].compactMap(\.self)
        let shown = flags.isEmpty ? "no flags" : flags.joined(separator: " ")
        func exponent(_ value: NegotiatedExponent) -> String {
            "\(value.exponent) \(value.isRemote ? "remote" : "local")"
        }
        return "EVB TLV, mode \(tlv.mode.name): \(shown), RRSTAT \(station.reflectiveRelayStatus), R \(tlv.retries), "
            + "RTE \(tlv.retransmissionExponent), RWD \(exponent(tlv.resourceWaitDelay)), "
            + "RKA \(exponent(tlv.reinitKeepAlive))"
    }

    private static func words(_ tlv: DraftEVBTLV) -> String {
        func modes(_ modes: DraftEVBTLV.ForwardingModes) -> String {
            modes.contains(.reflectiveRelay) ? "reflective relay" : modes.contains(.standard) ? "standard" : "none"
        }
        func capabilities(_ set: DraftEVBTLV.Capabilities) -> String {
            let names = [
                set.contains(.retransmissionExponent) ? "RTE" : nil, set.contains(.ecp) ? "ECP" : nil,
                set.contains(.vdp) ? "VDP" : nil,
            ].compactMap(\.self)
            return names.isEmpty ? "none" : names.joined(separator: " ")
        }
        return "draft EVB TLV: forwarding \(modes(tlv.supportedModes)), in use \(modes(tlv.configuredModes)); "
            + "capabilities \(capabilities(tlv.supportedCapabilities)), in use \(capabilities(tlv.configuredCapabilities)); "
            + "VSIs \(tlv.configuredVSIs) of \(tlv.supportedVSIs); RTE \(tlv.retransmissionExponent)"
    }

    private static func words(_ tlv: CDCPTLV) -> String {
        let shown = tlv.pairs.prefix(vsisMax).map { "\($0.scid)/\($0.svid)" }.joined(separator: " ")
        let more = tlv.pairs.count > vsisMax ? " and \(tlv.pairs.count - vsisMax) more" : ""
        return "CDCP TLV, role \(tlv.role): \(tlv.hasSComponent ? "S-component" : "no S-component"), "
            + "capacity \(tlv.capacity), SCID/SVID \(shown.isEmpty ? "none" : shown)\(more)"
    }

    // MARK: ECP and VDP

    /// An ECPDU, and the VSIs that it is about with the sentence on each.
    struct ECP {
        var head: String
        var vsis: [(vsiID: VSIID, words: String)] = []
        /// What is wrong in it.
        var defects: [String] = []
    }

    /// An ECPDU that one side has sent; nil for LLDP.
    static func ecp(_ payload: Frame.Payload, from sender: DraftVDPDU.Sender) -> ECP? {
        switch payload {
        case .lldp: return nil
        case .ecp(let ecpdu):
            let number = "\(ecpdu.sequence)"
            guard ecpdu.operation == .request else { return ECP(head: "ECP acknowledgement of \(number)") }
            guard ecpdu.subtype == .vdp else {
                return ECP(head: "ECP request \(number) of subtype \(ecpdu.subtype.rawValue), which is not VDP")
            }
            do throws(WireError) {
                let decoded = try VDPDU.decode(ecpdu.payload)
                let manager = decoded.pdu.managerID
                let shown = manager == .unspecified ? "no manager" : "manager \(manager)"
                return ECP(
                    head: "ECP request \(number), VDP, \(shown), \(vsis(decoded.pdu.associations.count))",
                    vsis: decoded.pdu.associations.map { ($0.vsiID, words($0, isDraft: false)) },
                    defects: decoded.rejected.map(words))
            } catch {
                return ECP(head: "ECP request \(number), VDP", defects: ["it cannot be read: \(error)"])
            }
        case .draftECP(let ecpdu):
            let number = "\(ecpdu.sequence)"
            guard ecpdu.operation == .request else { return ECP(head: "draft ECP acknowledgement of \(number)") }
            let decoded = DraftVDPDU.decode(ecpdu.payload, from: sender)
            return ECP(
                head: "draft ECP request \(number), VDP, \(vsis(decoded.pdu.associations.count))",
                vsis: decoded.pdu.associations.map { association in
                    let manager = association.managerID == 0 ? "" : ", manager \(association.managerID)"
                    return (association.vsi.vsiID, words(association.vsi, isDraft: true) + manager)
                }, defects: decoded.rejected.map(words))
        }
    }

    private static func vsis(_ count: Int) -> String { count == 1 ? "1 VSI" : "\(count) VSIs" }

    private static func words(_ rejected: VDPDU.Rejected) -> String {
        let vsi = rejected.vsiID.map { " of VSI \($0)" } ?? ""
        return "a TLV\(vsi) is unusable: \(rejected.error)"
    }

    private static func words(_ tlv: VSITLV, isDraft: Bool) -> String {
        let entries = tlv.filter.entries
        let first = entries.first.map { entry in
            [
                entry.macAddress.map { "mac=\($0)" }, "vlan=\(entry.vid)", entry.pcp.map { "pcp=\($0)" },
                entry.groupID.map { "group=\($0)" },
            ].compactMap(\.self).joined(separator: ",")
        }
        let more = entries.count > 1 ? " and \(entries.count - 1) more" : ""
        let what = "\(tlv.command.words) VSI \(tlv.vsiID), type \(tlv.typeID) v\(tlv.typeVersion)"
        return what + (first.map { ", \($0)\(more)" } ?? "") + ": " + status(tlv, isDraft: isDraft)
    }

    private static func status(_ tlv: VSITLV, isDraft: Bool) -> String {
        let status = tlv.status
        guard status.contains(.answer) else {
            let hints = [
                status.contains(.migrating) ? "migrating" : nil, status.contains(.suspended) ? "suspended" : nil,
            ].compactMap(\.self)
            return (["asked"] + hints).joined(separator: ", ")
        }
        guard status.reason != .success else { return "granted" }
        let reason = EVBModel.VSIReason(EVBProtocol.VSIReason(status.reason)).rawValue
        let flags =
            isDraft
            ? []
            : [
                status.contains(.hard) ? "hard" : nil, status.contains(.keep) ? "keep" : nil,
            ].compactMap(\.self)
        return (["refused, \(reason)"] + flags).joined(separator: ", ")
    }
}
