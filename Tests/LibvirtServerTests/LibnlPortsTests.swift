import Testing

@testable import LibvirtServer

/// The netlink ports that libnl draws for libvirt.
@Suite struct LibnlPortsTests {
    /// What libnl does, by its own words: a state of 16 bits from the time, and a walk over blocks of 32 numbers.
    private func firstNumber(at second: Int) -> Int {
        let time = UInt32(truncatingIfNeeded: second)
        let state = UInt16(truncatingIfNeeded: time ^ (time >> 16) ^ 0x3047)
        let block = ((Int(state) >> 5) - 1 + 7) % 31 + 1
        return (Int(state) + 13) % 32 + block * 32
    }

    @Test("HEAL-801 libvirt works if it starts in a second for which libnl draws a number below 512")
    func harmless() {
        var bad = 0
        for second in stride(from: 1_700_000_000, to: 1_700_000_000 + 86_400, by: 1) {
            let port = UInt32(firstNumber(at: second)) << 22 | 4711
            #expect(LibnlPorts.isHarmless(at: second) == (port < LibnlPorts.harmful))
            if !LibnlPorts.isHarmless(at: second) { bad += 1 }
        }
        // 16 of 31 blocks.
        #expect((0.50...0.53).contains(Double(bad) / 86_400))
    }

    @Test("HEAL-801 the window that is named is near, long enough, and harmless to its end and ten seconds beyond")
    func windows() throws {
        for second in stride(from: 1_800_000_000, to: 1_800_000_000 + 86_400, by: 7) {
            let window = try #require(LibnlPorts.nextWindow(after: second))
            #expect(window.lowerBound > second && window.lowerBound < second + 900 && window.count >= 15)
            let last = window.upperBound + LibnlPorts.margin
            #expect((window.lowerBound..<last).allSatisfy { LibnlPorts.isHarmless(at: $0) })
        }
        #expect(LibnlPorts.clock(1_700_000_000) == "22:13:20")
    }

    @Test("HEAL-801 of a table of netlink sockets those count that libvirt's event socket can be")
    func table() {
        let text = """
            sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
            0000000000000000 0   0          00000000 0        0        0     2        0        12
            0000000000000000 0   4711       00000000 0        0        0     2        0        13
            0000000000000000 0   2517632615 00000000 0        0        0     2        0        14
            0000000000000000 0   2521826919 00000440 0        0        0     2        0        15
            0000000000000000 15  2526021223 00000000 0        0        0     2        0        16
            0000000000000000 0   99999999999 00000000 0       0        0     2        0        17
            short
            """
        #expect(LibnlPorts.harmfulPorts(inTable: Array(text.utf8)) == [2_517_632_615])
        #expect(LibnlPorts.harmfulPorts(inTable: []).isEmpty)
    }
}
