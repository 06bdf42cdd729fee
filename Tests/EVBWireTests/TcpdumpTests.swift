import EVBTime
import EVBWire
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// tcpdump as an independent reader of what our encoder writes.
@Suite("tcpdump")
struct TcpdumpTests {
    static let isInstalled = ["/usr/bin/tcpdump", "/usr/sbin/tcpdump"].contains { (path: String) in
        access(path, X_OK) == 0
    }

    private static func littleEndian(_ word: UInt32) -> [UInt8] { (0..<4).map { UInt8(word >> ($0 * 8) & 0xFF) } }

    /// A capture file of these frames.
    private static func capture(_ frames: [[UInt8]]) -> [UInt8] {
        let head = [0xA1B2_C3D4, 4 << 16 | 2, 0, 0, 65_535, 1].flatMap(littleEndian)
        return frames.reduce(into: head) { octets, frame in
            octets += [0, 0, UInt32(frame.count), UInt32(frame.count)].flatMap(littleEndian) + frame
        }
    }

    /// What tcpdump prints of these frames.
    private static func read(_ frames: [[UInt8]]) throws -> [String] {
        let path = "/tmp/evbd-tcpdump-\(getpid())-\(UInt32.random(in: 0 ... .max)).pcap"
        let file = try #require(fopen(path, "wxe"))
        defer { unlink(path) }
        let octets = capture(frames)
        let written = fwrite(octets, 1, octets.count, file)
        #expect(fclose(file) == 0 && written == octets.count)
        let output = try #require(popen("tcpdump -tnvvr \(path) 2>&1", "r"))
        var text: [UInt8] = []
        while case let octet = getc(output), octet >= 0 { text.append(UInt8(truncatingIfNeeded: octet)) }
        let status = pclose(output)
        try #require(status == 0, "\(String(decoding: text, as: UTF8.self))")
        return String(decoding: text, as: UTF8.self).split(separator: "\n")
            .map { String($0.drop { $0 == "\t" || $0 == " " }) }
    }

    private static func lines(_ tlv: CDCPTLV) -> [String] {
        let head =
            "Role: \(tlv.role == .station ? 1 : 0), RES: 0, Scomp: \(tlv.hasSComponent ? 1 : 0) ChnCap: \(tlv.capacity)"
        return [head] + tlv.pairs.map { "SCID: \($0.scid), SVID: \($0.svid)" }
    }

    @Test(
        "SCH-151 tcpdump reads each CDCP TLV as it was meant: role, S component, channels, pairs up to 167",
        .enabled(if: isInstalled, "tcpdump is not installed"))
    func channels() throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("tcpdump: seed \(seed)")
        var random = SplitMix64(seed: seed)
        var tlvs = [
            CDCPTLV(role: .station, capacity: 167, pairs: [.default]),
            CDCPTLV(role: .bridge, hasSComponent: false, capacity: 1, pairs: [.default]),
            CDCPTLV(
                role: .station, capacity: 0x0FFF,
                pairs: [.default] + (2...167).map { SChannelPair(SCID($0), SVID($0 * 24)) }),
        ]
        for _ in 0..<40 {
            let pairs = (0..<random.next() % 30).map { _ in
                SChannelPair(
                    SCID(UInt16(truncatingIfNeeded: random.next())), SVID(UInt16(truncatingIfNeeded: random.next())))
            }
            tlvs.append(
                CDCPTLV(
                    role: random.next() & 1 == 0 ? .station : .bridge, hasSComponent: random.next() & 1 == 0,
                    capacity: UInt16(truncatingIfNeeded: random.next()), pairs: [.default] + pairs))
        }
        let source = MACAddress(truncating: 0x0200_0000_0001)
        let frames = tlvs.map { tlv in
            Frame(
                destination: .nearestNonTPMRBridge, source: source,
                payload: .lldp(
                    LLDPDU(
                        chassisID: .chassis(source), portID: .local("up0"), timeToLive: 121, optional: [.cdcp(tlv)]))
            ).encoded(padded: false)
        }
        let said = try Self.read(frames).filter { $0.hasPrefix("Role:") || $0.hasPrefix("SCID:") }
        #expect(said == tlvs.flatMap(Self.lines), "seed \(seed)")
    }
}
