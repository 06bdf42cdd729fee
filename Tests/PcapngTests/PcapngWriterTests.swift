import Testing

@testable import Pcapng

/// Octets from hexadecimal digits, with any spaces between them.
private func hex(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

/// The golden octets were written by hand after draft-ietf-opsawg-pcapng, and read by tshark and capinfos 4.0.
@Suite struct PcapngWriterTests {
    @Test("CAP-101 a section begins with its magic number, in little endian")
    func section() {
        #expect(
            PcapngWriter.section(system: "Linux 6.1", application: "evbctl 1")
                == hex(
                    """
                    0a0d0d0a 3c000000 4d3c2b1a 0100 0000 ffffffffffffffff
                    0300 0900 4c696e757820362e31 000000
                    0400 0800 65766263746c2031
                    00000000 3c000000
                    """))
    }

    @Test("CAP-101 an interface has its name, its address and nanoseconds")
    func interface() {
        #expect(
            PcapngWriter.interface(
                name: "eth0", description: "port", address: [2, 0, 0, 0, 0, 1], frameLengthMax: 9238)
                == hex(
                    """
                    01000000 3c000000 0100 0000 16240000
                    0200 0400 65746830  0300 0400 706f7274
                    0600 0600 020000000001 0000
                    0900 0100 09 000000
                    00000000 3c000000
                    """))
    }

    @Test("CAP-101 a frame has its time, its direction, what is missing before it and a comment")
    func frame() {
        let octets: [UInt8] = [1, 0x80, 0xC2, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0x88, 0xCC, 7]
        #expect(
            PcapngWriter.frame(
                octets, length: 60, nanoseconds: 0x1234_5678_9ABC_DEF0, direction: .inbound, lost: 3, comment: "taken")
                == hex(
                    """
                    06000000 54000000 00000000 78563412 f0debc9a 0f000000 3c000000
                    0180c2000000 020000000001 88cc 07 00
                    0100 0500 74616b656e 000000
                    0200 0400 09000000
                    0400 0800 0300000000000000
                    00000000 54000000
                    """))
    }

    @Test("CAP-101 of a frame that was sent the flags say outbound, and nothing of its reception")
    func outbound() {
        let octets = [UInt8](repeating: 0xFF, count: 14)
        #expect(
            PcapngWriter.frame(octets, length: 14, nanoseconds: 1, direction: .outbound)
                == hex(
                    """
                    06000000 3c000000 00000000 00000000 01000000 0e000000 0e000000
                    ffffffffffffffffffffffffffff 0000
                    0200 0400 02000000
                    00000000 3c000000
                    """))
    }

    @Test("CAP-101 statistics end a capture with what was lost and what the kernel dropped")
    func statistics() {
        let statistics = PcapngWriter.Statistics(
            began: 1, ended: 1 << 32, received: 5, lost: 2, dropped: 1, comment: "x")
        #expect(
            PcapngWriter.statistics(statistics)
                == hex(
                    """
                    05000000 6c000000 00000000 01000000 00000000
                    0100 0100 78 000000
                    0200 0800 00000000 01000000
                    0300 0800 01000000 00000000
                    0400 0800 0500000000000000
                    0500 0800 0200000000000000
                    0700 0800 0100000000000000
                    0800 0800 0300000000000000
                    00000000 6c000000
                    """))
    }

    @Test("CAP-101 a comment that is too long is cut between characters, and the block stays whole")
    func longComment() {
        let block = PcapngWriter.frame(
            [], length: 0, nanoseconds: 0, direction: .outbound, comment: String(repeating: "é", count: 40_000))
        let length = block[4..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        #expect(length == block.count && block.count % 4 == 0 && block[4..<8] == block[(block.count - 4)...])
        #expect(Int(block[30]) | Int(block[31]) << 8 == 65_534)
    }
}
