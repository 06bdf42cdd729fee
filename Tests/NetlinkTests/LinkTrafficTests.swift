import Glibc
import LinuxSystem
import NetnsSupport
import Testing

@testable import Netlink

@Suite struct LinkTrafficTests {
    private func message(_ type: UInt16, _ payload: [UInt8], length: UInt32? = nil) -> [UInt8] {
        let header: [UInt32] = [length ?? UInt32(16 + payload.count), UInt32(type), 0, 0]
        return header.withUnsafeBytes(Array.init) + payload
    }

    private func statistics(_ index: Int32, _ counters: [UInt64], type: UInt16 = 1) -> [UInt8] {
        let octets = counters.withUnsafeBytes(Array.init)
        let head = [UInt32(0), UInt32(bitPattern: index), 1].withUnsafeBytes(Array.init)
        let attribute = [UInt16(4 + octets.count), type].withUnsafeBytes(Array.init)
        return message(92, head + attribute + octets)
    }

    @Test("OPS-611 the kernel's answer is read, several links in a datagram, and what is not asked for is passed over")
    func answers() throws {
        var found: [Int32: LinkTraffic] = [:]
        let octets =
            statistics(7, Array(1...24)) + statistics(8, Array(1...24), type: 2) + statistics(9, [1, 2, 3])
            + statistics(10, Array(101...124))
        let isDone = try LinkTraffic.read(octets[...], &found)
        #expect(!isDone && found.keys.sorted() == [7, 10])
        let one = try #require(found[7])
        #expect([one.receivedFrames, one.sentFrames, one.receivedOctets, one.sentOctets] == [1, 2, 3, 4])
        #expect((one.receivedDrops, one.sentDrops) == (7, 8))
        for (code, isEnd) in [(Int32(0), true), (-ENODEV, true)] {
            let octets = message(2, withUnsafeBytes(of: code, Array.init))
            let isDone = try LinkTraffic.read(octets[...], &found)
            #expect(isDone == isEnd)
        }
        let refusal = message(2, withUnsafeBytes(of: -EOPNOTSUPP, Array.init))
        #expect(throws: SystemError.self) {
            var none: [Int32: LinkTraffic] = [:]
            _ = try LinkTraffic.read(refusal[...], &none)
        }
        let isLast = try LinkTraffic.read(message(3, [0, 0, 0, 0])[...], &found)
        #expect(isLast)
    }

    @Test("OPS-611 an answer that ends early, or lies about lengths, is no trap")
    func broken() throws {
        let whole = statistics(7, Array(1...24))
        for count in 0..<whole.count {
            var found: [Int32: LinkTraffic] = [:]
            _ = try LinkTraffic.read(whole[..<count], &found)
            #expect(found.isEmpty)
        }
        for length: UInt32 in [0, 15, 16, 17, .max] {
            var found: [Int32: LinkTraffic] = [:]
            _ = try LinkTraffic.read((message(92, [1, 2, 3], length: length) + whole)[...], &found)
        }
    }

    @Test("OPS-611 frames that pass a link are counted, for one link as for all", .enabled(if: inOwnNamespace))
    func counted() throws {
        let pair = try VethPair("traffic")
        let before = try #require(try LinkTraffic.read([pair.oneIndex])[pair.oneIndex])
        let number = try systemCall("socket") { socket(AF_PACKET, Int32(SOCK_RAW.rawValue), 0) }
        defer { close(number) }
        // A sockaddr_ll: the family, no protocol, the index, and nothing else.
        var address = [UInt8](repeating: 0, count: 20)
        address.withUnsafeMutableBytes {
            $0.storeBytes(of: UInt16(AF_PACKET), as: UInt16.self)
            $0.storeBytes(of: pair.oneIndex, toByteOffset: 4, as: Int32.self)
        }
        let frame = [UInt8](repeating: 0xFF, count: 100)
        for _ in 0..<3 {
            try systemCall("sendto") {
                address.withUnsafeBytes { octets in
                    sendto(
                        number, frame, frame.count, 0, octets.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                        socklen_t(octets.count))
                }
            }
        }
        let links = try LinkTraffic.read(nil)
        let one = try #require(links[pair.oneIndex])
        #expect(one.sentFrames == before.sentFrames + 3 && one.sentOctets == before.sentOctets + 300)
        #expect(links[pair.twoIndex]?.receivedFrames ?? 0 >= 3)
        #expect(try LinkTraffic.read([pair.twoIndex, 0x7FFF_FFFF]).keys.sorted() == [pair.twoIndex])
    }
}
