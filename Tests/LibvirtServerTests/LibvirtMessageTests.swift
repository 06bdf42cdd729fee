import EVBModel
import EVBTime
import EVBWire
import Glibc
import Testing

@testable import LibvirtServer

/// The netlink messages of libvirt, read and written without a socket.
struct LibvirtMessageTests {
    static let recordings = [
        "messages-22-libvirt-lldpadbridge.jsonl", "messages-draft-libvirt-lldpadbridge.jsonl",
        "messages-draft-libvirt-pybridge.jsonl", "messages-draft-bridge-deassoc.jsonl",
    ]

    @Test("VDP-41 every request that libvirt 9.0 sent is read", arguments: recordings)
    func readsRecordedRequests(name: String) throws {
        let requests = try RecordedMessage.load(name).filter(\.isRequest)
        #expect(requests.count >= 5)
        for message in requests {
            let request = try LibvirtRequest(message.octets)
            #expect(Int(request.header.length) == message.octets.count)
            switch request.body {
            case .poll: #expect(message.type == "RTM_GETLINK")
            case .profile(let profile):
                #expect(message.type == "RTM_SETLINK")
                #expect(profile.instance.format == .uuid)
            }
        }
    }

    @Test("VDP-41 the recorded association is read field by field")
    func readsAssociation() throws {
        let message = try #require(try RecordedMessage.load(Self.recordings[0]).first)
        let request = try LibvirtRequest(message.octets)
        #expect(request.interfaceName == "uplink0")
        #expect(request.interfaceIndex == 2)
        #expect(request.header.port == 0x61C0_7B27)
        guard case .profile(let profile) = request.body else {
            Issue.record("no profile")
            return
        }
        #expect(profile.macAddress == MACAddress("52:54:00:11:22:33"))
        #expect(profile.vlan == 0 && profile.priority == 0)
        #expect(profile.managerID == 11)
        #expect(profile.typeID == 0x12_3457 && profile.typeVersion == 2)
        #expect(profile.instance.description == "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f")
        #expect(profile.operation == .associate)
    }

    @Test("VDP-41 replies are lldpad's octet for octet")
    func writesRecordedReplies() throws {
        let messages = try RecordedMessage.load(Self.recordings[0])
        var asked: LibvirtRequest?
        var compared = 0
        for message in messages {
            if message.isRequest {
                asked = try LibvirtRequest(message.octets)
                continue
            }
            let request = try #require(asked)
            switch message.type {
            case "NLMSG_ERROR":
                #expect(LibvirtReply.result(0, to: request.header) == message.octets)
                compared += 1
            case "NLMSG_DONE":
                let instance = try #require(VSIID("09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f"))
                // The first poll was too early for a response.
                let response: UInt16? = compared == 1 ? nil : 0
                let reply = LibvirtReply.poll([(instance, response)], interfaceIndex: 2, to: request.header)
                #expect(reply == message.octets)
                compared += 1
            default: break
            }
        }
        #expect(compared == 5)
    }

    @Test("VDP-41 the unasked message is lldpad's, but for stray octets in its padding and the width of the request")
    func writesDropped() throws {
        let messages = try RecordedMessage.load(Self.recordings[0])
        let recorded = try #require(messages.last { $0.type == "RTM_SETLINK" && !$0.isRequest })
        let first = try LibvirtRequest(try #require(messages.first).octets)
        guard case .profile(let profile) = first.body else {
            Issue.record("no profile")
            return
        }
        let written = LibvirtReply.dropped(
            profile, interfaceName: "uplink0", port: 30657, sequence: first.header.sequence)
        var expected = recorded.octets
        // lldpad leaves what was on its stack in the three octets of padding of struct ifla_port_vsi ...
        expected.replaceSubrange(125..<128, with: [0, 0, 0])
        // ... and gives PORT_REQUEST two octets where kernel and libvirt have one.
        expected[156] = 5
        #expect(written == expected)
    }

    @Test("VDP-41 messages cut off anywhere are refused, never read beyond their end")
    func refusesTruncated() throws {
        let whole = try #require(try RecordedMessage.load(Self.recordings[0]).first).octets
        for length in 0..<whole.count {
            #expect(throws: LibvirtRequest.Refusal.self) { try LibvirtRequest(Array(whole.prefix(length))) }
        }
    }

    @Test("VDP-41 random changes to messages never trap")
    func survivesMutations() throws {
        let whole = try #require(try RecordedMessage.load(Self.recordings[0]).first).octets
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: .min ... .max)
        print("EVBD_SEED=\(seed) repeats the mutated netlink messages")
        var random = SplitMix64(seed: seed)
        for _ in 0..<20_000 {
            var octets = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                octets[Int.random(in: 0..<octets.count, using: &random)] = UInt8.random(
                    in: .min ... .max, using: &random)
            }
            _ = try? LibvirtRequest(octets)
        }
    }

    @Test(
        "SEC-107 a name of an interface that the kernel would expand or not take is refused with the rule",
        arguments: ["up%d\0\0\0", "a\u{1B}[31m\0", "a/b\0\0\0\0", "..\0\0\0\0\0", "\0\0\0\0\0\0\0"])
    func refusesNames(name: String) throws {
        var octets = try #require(try RecordedMessage.load(Self.recordings[0]).first).octets
        let known = Array("uplink0".utf8)
        let place = try index(of: known, in: octets)
        octets.replaceSubrange(place..<place + known.count, with: Array(name.utf8))
        let refusal = #expect(throws: LibvirtRequest.Refusal.self) { try LibvirtRequest(octets) }
        #expect(refusal?.problem.contains(InterfaceName.rule) == true)
        #expect(refusal?.problem.unicodeScalars.allSatisfy { (0x20...0x7E).contains($0.value) } == true)
        // No UTF-8 at all.
        octets[place] = 0xFF
        #expect(throws: LibvirtRequest.Refusal.self) { try LibvirtRequest(octets) }
    }

    @Test("what a port profile may not hold is refused", arguments: [(113, 0x05), (88, 0x10), (92, 0x08), (60, 0x01)])
    func refusesValues(offset: Int, value: UInt8) throws {
        var octets = try #require(try RecordedMessage.load(Self.recordings[0]).first).octets
        let good = try LibvirtRequest(octets)
        let position: Int =
            switch offset {
            case 113: octets.count - 4  // PORT_REQUEST
            case 88: try index(of: [0x10, 0, 2, 0, 0xFF, 0xFF, 0xFF, 0xFF], in: octets) + 9  // VLAN, second octet
            case 92: try index(of: [0x10, 0, 2, 0, 0xFF, 0xFF, 0xFF, 0xFF], in: octets) + 12  // priority
            default: try index(of: [0x52, 0x54], in: octets)  // first octet of the MAC address: the group bit
            }
        octets[position] = offset == 60 ? 0x53 : value
        #expect(throws: LibvirtRequest.Refusal.self) { try LibvirtRequest(octets) }
        #expect(good.header.type == RTNetlink.setLink)
    }

    private func index(of pattern: [UInt8], in octets: [UInt8]) throws -> Int {
        try #require(octets.indices.first { octets[$0...].starts(with: pattern) })
    }
}
