import EVBProtocol
import EVBTime
import EVBWire
import Glibc
import Netlink
import Testing

@testable import EVBPorts
@testable import EVBStation
@testable import EdgeRelays

/// What the short way says of octets, and what the reader of any JSON says.
private func bothWays(_ octets: [UInt8]) -> (scanned: StoredVSI?, parsed: StoredVSI?) {
    (octets.withUnsafeBufferPointer { StoredVSI(scanning: $0) }, try? StoredVSI(parsing: octets[...]))
}

@Suite struct StoredVSIScanTests {
    private static let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? 20_261_129

    /// Any VSI that may be stored.
    private func sample(_ random: inout SplitMix64) throws -> StoredVSI {
        func pick<Value>(_ values: [Value]) -> Value { values[Int(random.next() % UInt64(values.count))] }
        let (hasAddress, hasGroup) = (pick([true, true, false]), pick([true, false]))
        let count = hasAddress ? pick([1, 1, 2, 5]) : 1
        let entries = (0..<count).map { number in
            FilterEntry(
                vid: pick([0, 1, 100, 4094]), pcp: pick([nil, 0, 7]),
                macAddress: hasAddress
                    ? MACAddress(truncating: 0x5254_0000_0000 + random.next() % 4096 << 8 + UInt64(number)) : nil,
                groupID: hasGroup ? UInt32(truncatingIfNeeded: random.next()) : nil)
        }
        let address = MACAddress(truncating: 0x5254_0000_0001)
        let links: [EdgeRelay.Demand?] = [
            nil, nil, .find(name: "tap0", addresses: [address]), .find(name: nil, addresses: []),
            .make(
                EdgeRelay.Specification(
                    name: "vm1", kind: .macvtap, mode: .vepa, address: address, mtu: pick([nil, 1400]), sources: [],
                    allmulticast: pick([true, false]))),
        ]
        return StoredVSI(
            port: pick(["eth0", "uplink0", "a\"b\\", "\u{E9}th"]),
            request: VSIRequest(
                vsiID: VSIID(
                    format: pick([.uuid, .uuid, .mac, .local, .ipv6]), high: random.next(), low: random.next()),
                target: pick([.preAssociated, .preAssociatedWithReservation, .associated]),
                managerID: VSIManagerID(high: random.next(), low: pick([0, random.next()])),
                typeID: UInt32(random.next() % 0x100_0000), typeVersion: UInt8(random.next() % 256),
                filter: try FilterInfo(checking: entries), hint: pick([.none, .migrating, .suspended]),
                organizational: pick([[], [], [OrganizationalInformation(oui: 5, octets: [1, 2])]]),
                persistence: pick([.untilWithdrawn, .once])),
            link: pick(links), owner: pick([.control, .libvirt(eventPort: 77), .libvirt(eventPort: .max)]),
            isGranted: pick([true, false]), isWithdrawn: pick([true, false]), isLinkElsewhere: pick([true, false]),
            adopted: pick([nil, AdoptedLink(name: "tap3", index: 9)]), label: pick([nil, "web 1", "\u{E9} \"2\""]))
    }

    @Test("SPD-161 a VSI is read from its octets as the reader of any JSON reads it")
    func same() throws {
        print("same: EVBD_SEED=\(Self.seed)")
        var random = SplitMix64(seed: Self.seed)
        var scanned = 0
        for _ in 0..<3000 {
            let vsi = try sample(&random)
            let both = bothWays(vsi.encoded)
            #expect(both.parsed == vsi)
            #expect(both.scanned == nil || both.scanned == vsi)
            scanned += both.scanned == nil ? 0 : 1
            // What nearly all are like is read the short way.
            let isPlain =
                vsi.request.organizational.isEmpty && vsi.request.vsiID.format == .uuid && !vsi.port.contains("\\")
                && vsi.port.utf8.count == vsi.port.count
            #expect((both.scanned != nil) == isPlain, "\(String(decoding: vsi.encoded, as: UTF8.self))")
        }
        #expect(scanned > 300)
    }

    @Test(
        "SPD-161 octets that are others, or fewer, are read the short way as the reader of any JSON reads them, or not")
    func damaged() throws {
        print("damaged: EVBD_SEED=\(Self.seed)")
        var random = SplitMix64(seed: Self.seed)
        for _ in 0..<12 {
            let octets = try sample(&random).encoded
            for place in octets.indices {
                for octet in [UInt8(ascii: "0"), UInt8(ascii: "\""), UInt8(ascii: ","), octets[place] ^ 1, 0xFF] {
                    var wrong = octets
                    wrong[place] = octet
                    let both = bothWays(wrong)
                    #expect(both.scanned == nil || both.scanned == both.parsed)
                }
                #expect(bothWays(Array(octets[..<place])).scanned == nil)
                let fewer = bothWays(Array(octets[..<place] + octets[(place + 1)...]))
                #expect(fewer.scanned == nil || fewer.scanned == fewer.parsed)
            }
        }
    }
}
