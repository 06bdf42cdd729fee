// All targets. A codec's takes one line here; seeds for it come from seeds.py, and without any it starts from nothing.

import JSON
import LldpadFile
import TerminalText

@testable import EVBControl
@testable import EVBProtocol
@testable import EVBWire
@testable import LibvirtServer

let targets: [Target] = [
    Target("lldp", "TLV-20 TLV-21 TLV-22 TLV-05 frames of LLDP") { frame($0, etherType: EtherType.lldp) },
    Target("ecp", "ECP-11 ECP-18 frames of ECP and the VDPDU inside") { frame($0, etherType: EtherType.ecp) },
    Target("draft-ecp", "VDP-32 frames of the draft's ECP") { frame($0, etherType: EtherType.draftECP) },
    Target("draft-vdp", "VDP-32 what the draft's ECP carries") { draftVDPDU($0) },
    Target("vdp", "VDP-32 VDP-29 VDP-31 VDPDUs") { vdpdu($0) },
    Target("text", "VDP-03 VDP-02 names of VSIs and managers as people write them") { names($0) },
    Target("port", "VDP-32 TLV-20 ECP-06 a whole port: frames, time, requests, link") { PortDriver.run($0) },
    Target("bridge", "VDP-32 TLV-20 ECP-13 a whole port of a bridge, in both dialects: frames, time, decisions, link") {
        BridgeDriver.run($0)
    },
    Target("uplink", "SCH-07 SCH-13 an uplink of either side of CDCP: LLDPDUs, time, configurations, link") { octets in
        guard let side = octets.first else { return }
        if side & 1 == 0 {
            UplinkDriver<CDCPStation>.runStation(octets.dropFirst())
        } else {
            UplinkDriver<CDCPBridge>.runBridge(octets.dropFirst())
        }
    },
    Target("netlink", "VDP-41 requests of libvirt and the replies to them") { netlink($0) },
    Target("varlink", "calls and replies of the control socket, in portions") { varlink($0) },
    Target("agentx", "OPS-718 messages of an SNMP master to evbd-snmp, and what it answers") { AgentXDriver.run($0) },
    Target("ovsdb", "OVL-111 what a server of OVSDB sends, in portions") { OVSDBDriver.run($0) },
    Target("lldpad", "OPS-815 a configuration of lldpad, and evbd's that is made of it") { lldpadFile($0) },
]

// MARK: The wire

/// A frame whose EtherType is put right, so that no input is lost on another protocol.
private func frame(_ input: [UInt8], etherType: UInt16) {
    var octets = input
    if octets.count >= Frame.headerLength {
        octets[12] = UInt8(etherType >> 8)
        octets[13] = UInt8(truncatingIfNeeded: etherType)
    }
    // Padding would become payload of a request.
    roundTrip(octets, { try Frame(decoding: $0) }, { $0.encoded(padded: false) }) { frame in
        require(frame.encoded(padded: false).count <= octets.count + 2, "more than there was, and an end TLV: \(frame)")
        look(at: frame)
    }
}

private func look(at frame: Frame) {
    requirePrintable("\(frame.source)", longest: 17)
    switch frame.payload {
    case .lldp(let lldpdu):
        require((try? Frame(decoding: frame.encoded())) == frame, "padding changes an LLDPDU")
        for (identifier, isChassis) in [(lldpdu.chassisID, true), (lldpdu.portID, false)] {
            requirePrintable(identifier.text(isChassis: isChassis), longest: 3 * identifier.octets.count)
        }
        require(lldpdu.evbTLVs.count <= lldpdu.optional.count, "EVB TLVs from nowhere")
        _ = lldpdu.carriesDraftEVB
        for case .malformed(_, let error) in lldpdu.optional { requirePrintable("\(error)", longest: 200) }
    case .ecp(let ecpdu):
        if ecpdu.operation == .acknowledgement {
            require((try? Frame(decoding: frame.encoded())) == frame, "padding changes an acknowledgement")
        }
        require(ecpdu.acknowledgement.sequence == ecpdu.sequence, "an acknowledgement of something else")
        vdpdu(ecpdu.payload)
    case .draftECP(let ecpdu):
        require(ecpdu.acknowledgement.sequence == ecpdu.sequence, "an acknowledgement of something else")
        require(ecpdu.acknowledgement.payload.count == ecpdu.payload.count, "an acknowledgement of another length")
        draftVDPDU(ecpdu.payload)
    }
}

private func vdpdu(_ octets: [UInt8]) {
    guard let decoded = try? VDPDU.decode(octets) else { return }
    let pdu = decoded.pdu
    for rejected in decoded.rejected {
        requirePrintable("\(rejected.error) \(rejected.vsiID?.description ?? "")", longest: 300)
    }
    let encoded = pdu.encoded()
    // What was left out does not come back; what was taken does.
    require((try? VDPDU.decode(encoded)) == VDPDU.Decoded(pdu: pdu, rejected: []), "decodes to another value: \(pdu)")
    require(encoded.count <= octets.count, "more than there was: \(pdu)")
    let lengths = pdu.associations.reduce(18 + (pdu.hasEnd ? 2 : 0)) { $0 + $1.encodedLength }
    require(encoded.count == lengths, "\(encoded.count) octets, foretold \(lengths)")
    requirePrintable(pdu.managerID.description, longest: 32)
    grant(octets, decoded)
    // Text is slow; the two first are as good as all.
    for tlv in pdu.associations.prefix(2) {
        let text = tlv.vsiID.description
        requirePrintable(text, longest: 48)
        require(VSIID(text) == tlv.vsiID, "\(text) is read as another VSIID")
        _ = try? FilterInfo(checking: Array(tlv.filter.entries))
        _ = VSIReason(tlv.status.reason)
    }
}

/// What counts as a grant by its octets is one that decoding finds.
private func grant(_ octets: [UInt8], _ decoded: VDPDU.Decoded) {
    var request = decoded.pdu
    for index in request.associations.indices { request.associations[index].status = [] }
    let isGrant = octets.withUnsafeBytes { answer in
        request.encoded().withUnsafeBytes { VDPDU.isGrant(answer, of: $0) }
    }
    let areGrants = decoded.pdu.associations.allSatisfy { $0.status == .answer && $0.organizational.isEmpty }
    if isGrant { require(areGrants && decoded.rejected.isEmpty, "no grant: \(decoded)") }
    _ = octets.withUnsafeBytes { VDPDU.firstVSIID(in: $0) }
}

private func draftVDPDU(_ octets: [UInt8]) {
    for sender in [DraftVDPDU.Sender.station, .bridge] {
        let decoded = DraftVDPDU.decode(octets, from: sender)
        let pdu = decoded.pdu
        for rejected in decoded.rejected {
            requirePrintable("\(rejected.error) \(rejected.vsiID?.description ?? "")", longest: 300)
        }
        let encoded = pdu.encoded()
        let again = DraftVDPDU.decode(encoded, from: sender)
        require(again == DraftVDPDU.Decoded(pdu: pdu, rejected: []), "decodes to another value: \(pdu)")
        require(encoded.count <= octets.count, "more than there was: \(pdu)")
        let lengths = pdu.associations.reduce(pdu.hasEnd ? 2 : 0) { $0 + DraftVDPDU.encodedLength(of: $1.vsi) }
        require(encoded.count == lengths, "\(encoded.count) octets, foretold \(lengths)")
    }
}

// MARK: Text

private func names(_ octets: [UInt8]) {
    let text = String(decoding: octets, as: UTF8.self)
    if let vsiID = VSIID(text) { require(VSIID(vsiID.description) == vsiID, "\(vsiID) is read as another VSIID") }
    if let address = MACAddress(text) { require(MACAddress(address.description) == address, "\(address)") }
    for placement in [VSIManagerID.Placement.first, .last] {
        guard let manager = VSIManagerID(text, placement: placement) else { continue }
        requirePrintable(manager.description, longest: 32)
    }
    _ = printable(text, longest: 40)
}

private func lldpadFile(_ octets: [UInt8]) {
    guard let file = try? LibconfigGroup(parsing: octets) else { return }
    let text = LldpadImport(file).yaml(source: "lldpad.conf")
    for line in text.split(separator: "\n") { requirePrintable(String(line), longest: 1000) }
}

// MARK: Clients

private func netlink(_ octets: [UInt8]) {
    let request: LibvirtRequest
    do {
        request = try LibvirtRequest(octets)
    } catch {
        require(error.code > 0, "a refusal without an errno")
        check(LibvirtReply.result(error.code, to: NetlinkHeader(octets)))
        return
    }
    check(LibvirtReply.result(0, to: request.header))
    guard case .profile(let profile) = request.body else {
        check(LibvirtReply.poll([], interfaceIndex: request.interfaceIndex, to: request.header))
        return
    }
    let vsis: [(instance: VSIID, response: UInt16?)] = [(profile.instance, nil), (profile.instance, 1)]
    check(LibvirtReply.poll(vsis, interfaceIndex: request.interfaceIndex, to: request.header))
    let dropped = LibvirtReply.dropped(profile, interfaceName: "eth0", port: 1, sequence: 2)
    check(dropped)
    // evbd's own message has the layout of libvirt's, so that it can be read back.
    guard let back = try? LibvirtRequest(dropped) else { fatalError("cannot be read back: \(request)") }
    var expected = profile
    expected.operation = .disassociate
    require(back.body == .profile(expected) && back.interfaceName == "eth0", "\(back) for \(request)")
}

private func check(_ message: [UInt8]) {
    require(Int(NetlinkHeader(message).length) == message.count, "a message of another length than it says")
}

private func varlink(_ input: [UInt8]) {
    guard let portion = input.first.map({ Int($0) % 16 + 1 }) else { return }
    let stream = Array(input.dropFirst())
    let whole = messages(stream, portion: max(stream.count, 1))
    require(whole == messages(stream, portion: portion), "portions of \(portion) make other messages")
    for message in whole {
        guard let plain = PlainCall(message: message) else { continue }
        let parameters = try? VarlinkCall(message: message).parameters
        let read: PlainCall? =
            switch plain {
            case .getStatus:
                (try? parameters.map { try JSONCoding.decode(NoParameters.self, from: $0) }).map { _ in plain }
            case .associate:
                try? parameters.map { .associate(try JSONCoding.decode(EVBControl.VSIRequest.self, from: $0)) }
            case .deassociate:
                try? parameters.map { .deassociate(try JSONCoding.decode(DeassociateRequest.self, from: $0)) }
            }
        require(read == plain, "one pass reads another request: \(plain), \(String(describing: read))")
    }
    // What is no JSON is no call either.
    for message in whole where (try? JSONValue(parsing: message)) != nil {
        roundTrip(message, { try JSONValue(parsing: $0) }, { Array($0.compact.utf8) }) { value in
            let pretty = try? JSONValue(parsing: Array(value.pretty.utf8))
            require(pretty == value, "pretty is another value: \(value)")
        }
        roundTrip(message, { try VarlinkCall(message: $0) }, { $0.octets.dropLast() })
        roundTrip(message, { try VarlinkReply(message: $0) }, { $0.octets.dropLast() })
    }
}

/// The messages of a stream until it ends or breaks off, each portion followed by as much taking as there is.
private func messages(_ stream: [UInt8], portion: Int) -> [[UInt8]] {
    let limit = 1024
    var decoder = VarlinkDecoder(limit: limit)
    var messages: [[UInt8]] = []
    do {
        for start in stride(from: 0, to: stream.count, by: portion) {
            decoder.append(Array(stream[start..<min(start + portion, stream.count)]))
            while let message = try decoder.next() {
                require(message.count <= limit && !message.contains(0), "a message that is none")
                messages.append(message)
            }
            require(decoder.count <= limit, "\(decoder.count) octets kept")
        }
    } catch {
        require(!error.description.isEmpty, "an error without words")
    }
    return messages
}
