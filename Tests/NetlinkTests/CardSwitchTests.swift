import CNetlink
import Glibc
import LinuxSystem
import NetnsSupport
import Testing

@testable import Netlink

/// What is sent for the switch inside of a card, against what `bridge link set dev X hwmode` sent (Tests/Captures/record-bridge-hwmode).
@Suite struct CardSwitchTests {
    private func recordings() throws -> [[UInt8]] {
        let path = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        let text = String(
            decoding: try Files.read("/\(path)/Captures/bridge-hwmode.jsonl", limit: 65_536), as: UTF8.self)
        return try text.split(separator: "\n").map { line in
            let digits = Array(line.split(separator: "\"")[7])
            return try stride(from: 0, to: digits.count, by: 2).map {
                try #require(UInt8(String(digits[$0...($0 + 1)]), radix: 16))
            }
        }
    }

    @Test("OVL-601: what is sent is what bridge(8) sends, octet by octet")
    func whatBridgeSends() throws {
        let recorded = try recordings()
        #expect(recorded.count == 2)
        for (mode, sent) in zip([CardSwitchMode.vepa, .veb], recorded) {
            let octets = Links.message(portIndex: 9, mode).octets
            // Of the header the length and the type: flags, sequence number and sender are added when it leaves.
            #expect(octets[..<6] == sent[..<6] && octets[16...] == sent[16...], "\(mode)")
        }
    }

    /// A message as the kernel makes one of a card (ndo_dflt_bridge_getlink).
    private func message(mode: UInt16, flags: UInt16 = 2, family: UInt8 = 7, type: UInt16 = 16) -> [UInt8] {
        func word(_ number: UInt16) -> [UInt8] {
            [UInt8(truncatingIfNeeded: number), UInt8(truncatingIfNeeded: number >> 8)]
        }
        func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
            let whole = word(UInt16(value.count + 4)) + word(type) + value
            return whole + [UInt8](repeating: 0, count: -whole.count & 3)
        }
        let inside = attribute(0, word(flags)) + attribute(1, word(mode))
        let content =
            [family, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] + attribute(3, Array("eth9\0".utf8))
            + attribute(26, inside)
        return [UInt8(content.count + 16), 0, 0, 0] + word(type) + [UInt8](repeating: 0, count: 10) + content
    }

    private func read(_ octets: [UInt8]) -> (index: Int32, mode: CardSwitchMode)? {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(octets.count, 16), alignment: 16)
        defer { buffer.deallocate() }
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        buffer.copyBytes(from: octets)
        // The reader's caller has seen to it that the length in the header is in the datagram.
        buffer.storeBytes(of: UInt32(octets.count), as: UInt32.self)
        guard let base = buffer.baseAddress else { return nil }
        return Link.cardSwitch(message: base.assumingMemoryBound(to: nlmsghdr.self))
    }

    @Test(
        "OVL-602: the mode of a card is read back; a Linux bridge's word, an unknown mode and what is cut off are none")
    func readBack() {
        #expect(read(message(mode: 1))?.index == 9 && read(message(mode: 1))?.mode == .vepa)
        #expect(read(message(mode: 0))?.mode == .veb)
        #expect(read(message(mode: 1, flags: 1)) == nil)
        #expect(read(message(mode: 0xFFFF)) == nil && read(message(mode: 2)) == nil)
        #expect(read(message(mode: 1, family: 0)) == nil && read(message(mode: 1, type: 17)) == nil)
        let whole = message(mode: 1)
        for length in 16..<(whole.count - 3) { #expect(read(Array(whole[..<length])) == nil, "\(length) octets") }
    }

    @Test("OVL-603: a link without a switch inside refuses the mode, and shows none", .enabled(if: inOwnNamespace))
    func noSwitch() throws {
        let pair = try VethPair("hwmode")
        let links = try Links()
        #expect(try links.cardSwitch(portIndex: pair.oneIndex) == nil)
        let error = #expect(throws: NetlinkError.self) { try links.setCardSwitch(portIndex: pair.oneIndex, .vepa) }
        #expect(
            error?.kind == .notSupported && error?.operation.hasPrefix("set hwmode vepa of hwmode") == true,
            "\(String(describing: error))")
    }
}
