import Testing

@testable import EVBWire

@Suite struct AnnouncementTests {
    private let address = MACAddress(truncating: 0x5254_00AB_CDEF)

    @Test("HEAL-1101 an announcement is what QEMU sends after a migration: RARP, broadcast, 60 octets")
    func untagged() {
        let machine: [UInt8] = [0x52, 0x54, 0x00, 0xAB, 0xCD, 0xEF]
        let expected: [UInt8] =
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF] + machine + [0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3]
            + machine + [0, 0, 0, 0] + machine + [0, 0, 0, 0] + [UInt8](repeating: 0, count: 18)
        #expect(Announcement.octets(of: address) == expected)
        #expect(expected.count == 60)
    }

    @Test("HEAL-1101 in a VLAN it has one tag more, with the priority of the filter")
    func tagged() {
        let octets = Announcement.octets(of: address, vid: 0x123, pcp: 5)
        #expect(octets.count == 64 && Array(octets[12..<16]) == [0x81, 0x00, 0xA1, 0x23])
        #expect(octets[..<12] + octets[16...] == Announcement.octets(of: address)[...])
        #expect(Announcement.octets(of: address, vid: 0xFFFF, pcp: 0xFF)[14...15] == [0xEF, 0xFF])
    }
}
