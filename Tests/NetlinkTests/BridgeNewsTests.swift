import Glibc
import LinuxSystem
import NetnsSupport
import Testing

@testable import Netlink

@Suite struct BridgeNewsTests {
    private static let one: [UInt8] = [0x52, 0x54, 0, 0, 0, 1]

    private static func message(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
        let length = UInt16(16 + payload.count)
        let head = [UInt8(length & 0xFF), UInt8(length >> 8), 0, 0, UInt8(type & 0xFF), UInt8(type >> 8)]
        return head + [UInt8](repeating: 0, count: 10) + payload
    }

    private static let removal = message(
        29, [7, 0, 0, 0, 5, 0, 0, 0, 0x40, 0, 0, 0] + [10, 0, 2, 0] + one + [0, 0] + [6, 0, 5, 0, 9, 0, 0, 0])
    private static let link = message(16, [7, 0, 1, 0, 6, 0, 0, 0] + [UInt8](repeating: 0, count: 8))

    private func read(_ octets: [UInt8]) -> [BridgeEvent] {
        var events: [BridgeEvent] = []
        octets.withUnsafeBytes { BridgeNewsReader.read($0) { events.append($0) } }
        return events
    }

    @Test("SEC-1130 what a bridge says of entries and ports is read, and other families are not")
    func news() throws {
        let address = try #require(HardwareAddress(octets: Self.one))
        #expect(
            read(Self.removal + Self.link) == [
                .entryRemoved(BridgeEntry(address: address, vid: 9), portIndex: 5), .portChanged(index: 6),
            ])
        var other = Self.removal
        other[16] = 2
        #expect(read(other).isEmpty)
    }

    @Test("SEC-1130 news that is cut short or wrong anywhere is left, and traps nowhere")
    func short() {
        for length in Self.removal.indices { #expect(read(Array(Self.removal.prefix(length))).isEmpty) }
        let whole = Self.removal + Self.link
        for offset in whole.indices {
            for value: UInt8 in [0, 1, 0x7F, 0xFF] {
                var octets = whole
                octets[offset] = value
                _ = read(octets)
            }
        }
    }

    @Test(
        "SEC-1130 the kernel tells of a removed static entry and of a port that leaves, not of what is learned",
        .enabled(if: inOwnNamespace, "needs root in a network namespace of its own: EVBD_TEST_NETNS=1 unshare -n"))
    func kernel() throws {
        let pair = try VethPair("brnews")
        try run("ip link add brnews up type bridge")
        defer { try? run("ip link delete brnews") }
        try run("ip link set \(pair.one) master brnews")
        let kernel = try BridgePorts()
        let (one, two) = (HardwareAddress(0x5254_0000_0001), HardwareAddress(0x5254_0000_0002))
        try kernel.addEntry(one, vid: 0, portIndex: pair.oneIndex, isReplacing: true)
        #expect(try kernel.fixedEntries(portIndex: pair.oneIndex) == [BridgeEntry(address: one, vid: 0)])
        // As soon as the port forwards.
        let learns = eventually { (try? run("bridge fdb add \(two) dev \(pair.one) master dynamic")) != nil }
        try #require(learns)
        let monitor = try BridgeMonitor()
        func events() -> [BridgeEvent] {
            var events: [BridgeEvent] = []
            monitor.receive { events.append($0) }
            // Tests beside this one have bridges too.
            return events.filter {
                switch $0 {
                case .entryRemoved(_, let index), .portChanged(let index):
                    [pair.oneIndex, pair.twoIndex].contains(index)
                default: true
                }
            }
        }
        // The kernel tells while it changes, so that all is there when the request is answered.
        try run("bridge fdb del \(two) dev \(pair.one) master")
        try run("ip link set \(pair.two) alias other")
        #expect(events().isEmpty)
        try kernel.removeEntry(one, vid: 0, portIndex: pair.oneIndex)
        #expect(events() == [.entryRemoved(BridgeEntry(address: one, vid: 0), portIndex: pair.oneIndex)])
        try run("ip link set \(pair.one) nomaster")
        #expect(events().contains(.portChanged(index: pair.oneIndex)))
    }
}
