import CNetlink
import Glibc
import LinuxSystem
import NetnsSupport
import Testing

@testable import Netlink

/// VNIs of VXLAN devices and the VLANs that are mapped to them.
@Suite struct TunnelsTests {
    /// A message without what changes from one to the next: the flags and numbers that are added as it is sent.
    private func octets(_ message: borrowing LinkMessage) -> [UInt8] {
        var octets = message.octets
        for offset in 6..<16 { octets[offset] = 0 }
        return octets
    }

    /// As iproute2 6.1 sends it, by strace.
    @Test("OVL-301 a VNI is added and removed by the messages that bridge vni sends")
    func vniMessages() {
        let rest: [UInt8] = [7, 0, 0, 0, 3, 0, 0, 0, 12, 0, 1, 0x80, 8, 0, 1, 0, 0x88, 0x13, 0, 0]
        let zeros = [UInt8](repeating: 0, count: 10)
        #expect(octets(Tunnels.vniMessage(5000, 3, true)) == [36, 0, 0, 0, 0x78, 0] + zeros + rest)
        #expect(octets(Tunnels.vniMessage(5000, 3, false)) == [36, 0, 0, 0, 0x79, 0] + zeros + rest)
    }

    /// iproute2 leaves NLA_F_NESTED out where the kernel is not particular about it.
    @Test("OVL-301 a VLAN is mapped to a VNI by the message that bridge vlan add tunnel_info sends")
    func mappingMessages() {
        let rest: [UInt8] =
            [7, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 26, 0x80, 28, 0, 3, 0x80]
            + [8, 0, 1, 0, 0x88, 0x13, 0, 0, 6, 0, 2, 0, 50, 0, 0, 0, 6, 0, 3, 0, 0, 0, 0, 0]
        let zeros = [UInt8](repeating: 0, count: 10)
        #expect(octets(Tunnels.mappingMessage(3, 50, 5000, true)) == [64, 0, 0, 0, 19, 0] + zeros + rest)
        #expect(octets(Tunnels.mappingMessage(3, 50, 5000, false)) == [64, 0, 0, 0, 17, 0] + zeros + rest)
    }

    @Test("OVL-340 entries for other boxes and neighbours are set by the messages of bridge fdb and ip neighbour")
    func entryMessages() {
        let zeros = [UInt8](repeating: 0, count: 10)
        let head: [UInt8] = [7, 0, 0, 0, 3, 0, 0, 0]
        let box: [UInt8] = [8, 0, 1, 0, 10, 0, 0, 2, 8, 0, 11, 0, 0x88, 0x13, 0, 0]
        let flood = TunnelEntry(address: HardwareAddress(0), box: [10, 0, 0, 2], vni: 5000)
        #expect(
            octets(Tunnels.entryMessage(flood, 3, true)) == [56, 0, 0, 0, 28, 0] + zeros + head + [0xC0, 0, 2, 0]
                + [10, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0] + box)
        let one = TunnelEntry(address: HardwareAddress(0x0200_0000_0001), box: [10, 0, 0, 2], vni: 5000)
        #expect(
            octets(Tunnels.entryMessage(one, 3, true)) == [56, 0, 0, 0, 28, 0] + zeros + head + [0x42, 0, 2, 0]
                + [10, 0, 2, 0, 2, 0, 0, 0, 0, 1, 0, 0] + box)
        #expect(
            octets(Tunnels.neighbourMessage([10, 5, 0, 1], HardwareAddress(0x0200_0000_0001), 3, true))
                == [48, 0, 0, 0, 28, 0] + zeros + [2, 0, 0, 0, 3, 0, 0, 0, 0x40, 0, 0, 0, 8, 0, 1, 0, 10, 5, 0, 1]
                + [10, 0, 2, 0, 2, 0, 0, 0, 0, 1, 0, 0])
    }

    @Test("OVL-343 questions of VXLAN devices are read; what is cut short or wrong anywhere traps nowhere")
    func questions() throws {
        let message: [UInt8] =
            [52, 0, 0, 0, 30, 0] + [UInt8](repeating: 0, count: 10) + [2, 0, 0, 0, 5, 0, 0, 0, 4, 0, 0, 0]
            + [8, 0, 1, 0, 10, 5, 0, 2] + [10, 0, 2, 0, 0x52, 0x54, 0, 0, 0, 1, 0, 0] + [4, 0, 9, 0]
        func read(_ octets: [UInt8]) -> [TunnelMiss] {
            var misses: [TunnelMiss] = []
            octets.withUnsafeBytes { MissReader.read($0) { misses.append($0) } }
            return misses
        }
        #expect(
            read(message) == [
                .neighbour([10, 5, 0, 2], deviceIndex: 5), .box(of: HardwareAddress(0x5254_0000_0001), deviceIndex: 5),
            ])
        for length in message.indices { _ = read(Array(message.prefix(length))) }
        for offset in message.indices {
            for value: UInt8 in [0, 1, 3, 0x7F, 0xFF] {
                var octets = message
                octets[offset] = value
                _ = read(octets)
            }
        }
    }

    @Test("OVL-302 ranges of mappings and VNIs are read, and broken ones trap nowhere")
    func ranges() {
        var reader = MappingReader()
        reader.take(50, 5000, 1 << 3)
        reader.take(52, 5002, 1 << 4)
        reader.take(60, 6000, 0)
        reader.take(70, 7000, 1 << 3)
        reader.take(4094, .max, 1 << 4)
        reader.take(9, 9, 1 << 4)
        reader.take(65535, .max, 1 << 3)
        reader.take(65535, .max, 1 << 4)
        #expect([50, 51, 52, 60, 53].map { reader.mappings[$0] } == [5000, 5001, 5002, 6000, nil])
        #expect(reader.mappings[9] == 9 && reader.mappings[65535] == .max)
        var vnis = VNISet()
        vnis.insert(0...16_777_215)
        #expect(vnis.contains(5000) && !vnis.contains(16_777_216))
    }

    @Test(
        "OVL-302 what a VXLAN device carries is read as it was set, by the kernel's own dump",
        .enabled(if: inOwnNamespace, "needs root in a network namespace of its own: EVBD_TEST_NETNS=1 unshare -n"))
    func kernel() throws {
        try run("ip link add ovlt0 type vxlan dstport 4799 external vnifilter local 192.0.2.1 nolearning")
        defer { try? run("ip link delete ovlt0") }
        try run("ip link add ovlt1 type vxlan id 77 dstport 4798 local 192.0.2.1 l2miss")
        defer { try? run("ip link delete ovlt1") }
        let links = try Links()
        let index = Int32(bitPattern: if_nametoindex("ovlt0"))
        let open = try #require(try links.link(index: index)?.vxlan)
        #expect(open == VXLANDevice(vni: nil, filtersVNIs: true, localAddress: [192, 0, 2, 1]))
        let fixed = try links.link(index: Int32(bitPattern: if_nametoindex("ovlt1")))?.vxlan
        #expect(fixed == VXLANDevice(vni: 77, localAddress: [192, 0, 2, 1], tellsMisses: true))

        let tunnels = try Tunnels()
        try tunnels.setVNI(5000, deviceIndex: index, true)
        try run("bridge vni add dev ovlt0 vni 5001-5003")
        let vnis = try tunnels.vnis(deviceIndex: index)
        #expect([4999, 5000, 5001, 5003, 5004].map { vnis.contains($0) } == [false, true, true, true, false])
        try tunnels.setVNI(5000, deviceIndex: index, false)
        #expect(try !tunnels.vnis(deviceIndex: index).contains(5000))
        #expect(throws: NetlinkError.self) {
            try tunnels.setVNI(5000, deviceIndex: Int32(bitPattern: if_nametoindex("ovlt1")), true)
        }
    }
}
