import Glibc
import LinuxSystem
import NetnsSupport
import Testing

@testable import Netlink

/// What is sent for a virtual function against what `ip link set dev X vf N ...` sent (Tests/Captures/record-ip-link-vf).
@Suite struct VirtualFunctionTests {
    /// The recordings, by their commands.
    private func recordings() throws -> [String: [UInt8]] {
        let path = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        let file = try #require(fopen("/\(path)/Captures/ip-link-vf.jsonl", "r"))
        defer { fclose(file) }
        var found: [String: [UInt8]] = [:]
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let parts = text.split(separator: "\"").map(String.init)
            // {"command": "...", "raw": "..."}
            try #require(parts.count == 9 && parts[1] == "command" && parts[5] == "raw")
            let digits = Array(parts[7])
            found[parts[3]] = try stride(from: 0, to: digits.count, by: 2).map {
                try #require(UInt8(String(digits[$0...($0 + 1)]), radix: 16))
            }
        }
        return found
    }

    private static let full = "ip link set dev eth9 vf"

    private static func settings(
        _ number: UInt32, _ address: UInt64? = nil, vlan: UInt16? = nil, priority: UInt8 = 0, spoofCheck: Bool? = nil,
        linkState: VirtualFunctionSettings.LinkState? = nil
    ) -> VirtualFunctionSettings {
        var settings = VirtualFunctionSettings(number: number)
        settings.address = address.map { HardwareAddress($0) }
        settings.vlan = vlan
        settings.priority = priority
        settings.spoofCheck = spoofCheck
        settings.linkState = linkState
        return settings
    }

    @Test("What is sent is what ip sends, octet by octet")
    func whatIPSends() throws {
        let guest: UInt64 = 0x5254_0000_0001
        let cases: [(String, VirtualFunctionSettings)] = [
            (
                "0 mac 52:54:00:00:00:01 vlan 100 qos 5 spoofchk on state auto",
                Self.settings(0, guest, vlan: 100, priority: 5, spoofCheck: true, linkState: .auto)
            ),
            (
                "7 mac 52:54:00:00:00:01 vlan 0 spoofchk on state disable",
                Self.settings(7, guest, vlan: 0, spoofCheck: true, linkState: .disable)
            ),
            ("14 state disable", Self.settings(14, linkState: .disable)),
            ("21 state auto", Self.settings(21, linkState: .auto)),
            ("28 state enable", Self.settings(28, linkState: .enable)),
            (
                "35 mac 00:00:00:00:00:00 vlan 0 spoofchk on state auto",
                Self.settings(35, 0, vlan: 0, spoofCheck: true, linkState: .auto)
            ),
            ("42 vlan 4094 qos 7", Self.settings(42, vlan: 4094, priority: 7)),
            ("49 spoofchk off", Self.settings(49, spoofCheck: false)),
        ]
        let recorded = try recordings()
        #expect(recorded.count == cases.count)
        for (words, settings) in cases {
            let sent = try #require(recorded["\(Self.full) \(words)"], "\(words) is not recorded")
            let octets = Links.message(portIndex: 9, settings).octets
            // Of the header only the length: ip sends RTM_NEWLINK, which for a link that is there does what RTM_SETLINK does.
            #expect(octets[..<4] == sent[..<4], "\(words)")
            #expect(octets[4] == 19 && sent[4] == 16)
            #expect(octets[16...] == sent[16...], "\(words)")
        }
    }

    @Test("A link without virtual functions refuses them", .enabled(if: inOwnNamespace))
    func noFunctions() throws {
        let links = try Links()
        let loopback = try #require(try links.link(named: "lo"))
        let error = #expect(throws: NetlinkError.self) {
            try links.setVirtualFunction(portIndex: loopback.index, Self.settings(3, linkState: .disable))
        }
        #expect(error?.kind == .notSupported && error?.operation == "set VF 3 of lo")
    }
}
