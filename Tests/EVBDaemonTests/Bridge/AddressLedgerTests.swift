import EVBWire
import Glibc
import Testing
import VSISamples

@testable import EVBBridge
@testable import EVBDaemon
@testable import EVBProtocol

private typealias Holder = AddressLedger.Holder
private typealias Obstacle = AddressLedger.Obstacle

private func mac(_ number: UInt64) -> MACAddress { MACAddress(truncating: 0x5254_0000_0000 | number) }

private func at(_ number: UInt64, _ vid: UInt16 = 0) -> FilterEntry { FilterEntry(vid: vid, macAddress: mac(number)) }

private func plain(_: String) -> AddressLedger.Domain { .init(bridgeIndex: 1, filtersVLANs: false) }
private func filtering(_: String) -> AddressLedger.Domain { .init(bridgeIndex: 1, filtersVLANs: true) }

extension AddressLedger {
    fileprivate mutating func take(
        _ entries: [FilterEntry], _ vsiID: VSIID, _ port: String = "port0", shared: Set<MACAddress> = [],
        in domain: (String) -> Domain = plain
    ) throws(Obstacle) -> Claim {
        try claim(
            entries, for: Holder(vsiID: vsiID, port: port), isShared: { shared.contains($0) }, domain: domain)
    }
}

@Suite struct AddressLedgerTests {
    @Test("SEC-22 an address belongs to one VSI, on whichever port another asks for it, until that one lets it go")
    func oneHolder() throws {
        var ledger = AddressLedger()
        let first = try ledger.take([at(1), at(2)], vsi(1))
        let taken = Obstacle.held(mac(2), vid: 0, by: Holder(vsiID: vsi(1), port: "port0"))
        #expect(throws: taken) { try ledger.take([at(3), at(2)], vsi(2)) }
        #expect(throws: taken) { try ledger.take([at(2)], vsi(2), "port1") }
        #expect(taken.refusal == Refusal(reason: .invalidFilter, isHard: false, isKept: true))
        #expect("\(taken)" == "address \(mac(2)) belongs to VSI \(vsi(1)) on port0")
        // Of what was refused nothing is held; and the VSI itself may ask again, and on another port.
        let other = try ledger.take([at(3)], vsi(2), "port1")
        let again = try ledger.take([at(1), at(4)], vsi(1), "port1")
        ledger.release(first)
        #expect(throws: Obstacle.self) { try ledger.take([at(1)], vsi(2)) }
        #expect(throws: Never.self) {
            try ledger.check(
                [at(2)], for: Holder(vsiID: vsi(2), port: "port0"), isShared: { _ in false }, domain: plain)
        }
        for claim in [other, again, first] { ledger.release(claim) }
        #expect(ledger.load == (0, 0))
    }

    @Test("SEC-22 VLANs keep addresses apart where the bridge does, and untagged frames may be in any")
    func vlans() throws {
        var ledger = AddressLedger()
        _ = try ledger.take([at(1, 10)], vsi(1), in: filtering)
        _ = try ledger.take([at(1, 20)], vsi(2), "port1", in: filtering)
        #expect(throws: Obstacle.held(mac(1), vid: 10, by: Holder(vsiID: vsi(1), port: "port0"))) {
            try ledger.take([at(1, 10)], vsi(3), in: filtering)
        }
        #expect(throws: Obstacle.self) { try ledger.take([at(1, 0)], vsi(3), in: filtering) }
        #expect(throws: Obstacle.self) { try ledger.take([at(1, 30)], vsi(3), in: plain) }
        _ = try ledger.take([at(2, 0)], vsi(1), in: filtering)
        #expect(throws: Obstacle.self) { try ledger.take([at(2, 10)], vsi(2), in: filtering) }
        // Entries without an address hold none.
        _ = try ledger.take([FilterEntry(vid: 10)], vsi(4), in: filtering)
        _ = try ledger.take([FilterEntry(vid: 10)], vsi(5), in: filtering)
    }

    @Test("SEC-22 another bridge has addresses of its own, and one that comes to this bridge shows what is held twice")
    func bridges() throws {
        var ledger = AddressLedger()
        let apart = { (port: String) in AddressLedger.Domain(bridgeIndex: port == "port0" ? 1 : 2) }
        _ = try ledger.take([at(1)], vsi(1), "port0", in: apart)
        _ = try ledger.take([at(1)], vsi(2), "port1", in: apart)
        _ = try ledger.take([at(2)], vsi(3), "port1", in: apart)
        #expect(ledger.conflicts(on: "port1", domain: apart).isEmpty)
        #expect(Set(ledger.conflicts(on: "port1", domain: plain).keys) == [vsi(2)])
        ledger.releaseAll(on: "port1")
        #expect(ledger.conflicts(on: "port0", domain: plain).isEmpty && ledger.load == (1, 1))
    }

    @Test("SEC-23 an address is shared only between VSIs whose types both allow it")
    func sharing() throws {
        var ledger = AddressLedger()
        let virtual: Set<MACAddress> = [mac(9)]
        let first = try ledger.take([at(9), at(1)], vsi(1), shared: virtual)
        let second = try ledger.take([at(9), at(2)], vsi(2), "port1", shared: virtual)
        #expect(throws: Obstacle.self) { try ledger.take([at(9)], vsi(3)) }
        #expect(throws: Obstacle.self) { try ledger.take([at(9), at(1)], vsi(3), shared: virtual) }
        #expect(throws: Obstacle.self) { try ledger.setSharing(first, isShared: { _ in false }, domain: plain) }
        ledger.release(second)
        try ledger.setSharing(first, isShared: { _ in false }, domain: plain)
        #expect(throws: Obstacle.self) { try ledger.take([at(9)], vsi(2), "port1", shared: virtual) }
    }

    @Test("SEC-712 an address that thousands share is one look for each port, also for who may not share it")
    func crowd() throws {
        var ledger = AddressLedger()
        var looks = 0
        let domain = { (port: String) in
            looks += 1
            return AddressLedger.Domain(bridgeIndex: port == "far" ? 2 : 1, filtersVLANs: true)
        }
        var claims: [AddressLedger.Claim] = []
        for number in 1...5000 as ClosedRange<UInt64> {
            claims.append(
                try ledger.take([at(9, 10)], vsi(number), "port\(number % 4)", shared: [mac(9)], in: domain))
        }
        #expect(looks == 5000, "its own port, and no other")
        looks = 0
        #expect(throws: Never.self) { try ledger.take([at(9, 10)], vsi(1), "far", in: domain) }
        #expect(throws: Obstacle.self) { try ledger.take([at(9, 10)], vsi(9999), in: domain) }
        #expect(throws: Obstacle.self) { try ledger.take([at(9)], vsi(9999), in: domain) }
        #expect(looks <= 3 * 6, "\(looks)")
        #expect(ledger.holders(of: [mac(9)]).keys.filter { $0.port == "port1" }.count == 1250)
        looks = 0
        #expect(ledger.conflicts(on: "port1", domain: domain).isEmpty && looks <= 5)
        // The last one that shares it may have it alone.
        for claim in claims.dropLast() { ledger.release(claim) }
        ledger.releaseAll(on: "far")
        #expect(throws: Never.self) { try ledger.setSharing(claims[4999], isShared: { _ in false }, domain: domain) }
        #expect(throws: Obstacle.self) { try ledger.take([at(9, 10)], vsi(1), shared: [mac(9)], in: domain) }
        ledger.release(claims[4999])
        #expect(ledger.load == (0, 0))
    }

    /// What the ledger says is what looking through all claims says, whatever is claimed and released.
    @Test("SEC-22 random claims and releases agree with a list")
    func randomWalk() throws {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: 0 ... .max)
        var random = SplitMix(state: seed)
        var ledger = AddressLedger()
        var list: [(claim: AddressLedger.Claim, holder: Holder, entries: [FilterEntry], shared: Set<MACAddress>)] = []
        let domain = { (port: String) in
            port == "port2"
                ? AddressLedger.Domain(bridgeIndex: 2, filtersVLANs: false) : .init(bridgeIndex: 1, filtersVLANs: true)
        }
        for step in 0..<3000 {
            if !list.isEmpty, random.below(3) == 0 {
                ledger.release(list.remove(at: random.below(list.count)).claim)
                continue
            }
            let holder = Holder(vsiID: vsi(UInt64(random.below(6))), port: "port\(random.below(3))")
            let entries = (0...random.below(3)).map { _ in at(UInt64(random.below(8)), UInt16(random.below(3))) }
            let shared: Set<MACAddress> = random.below(4) == 0 ? [mac(0), mac(1)] : []
            let here = domain(holder.port)
            let isFree = entries.allSatisfy { entry in
                list.allSatisfy { other in
                    other.holder.vsiID == holder.vsiID || domain(other.holder.port).bridgeIndex != here.bridgeIndex
                        || other.entries.allSatisfy {
                            $0.macAddress != entry.macAddress
                                || (here.filtersVLANs && $0.vid != entry.vid && $0.vid != 0 && entry.vid != 0)
                                || (entry.macAddress.map { shared.contains($0) && other.shared.contains($0) } ?? false)
                        }
                }
            }
            let claim = try? ledger.claim(entries, for: holder, isShared: { shared.contains($0) }, domain: domain)
            #expect((claim != nil) == isFree, "seed \(seed), step \(step)")
            if let claim { list.append((claim, holder, entries, shared)) }
            guard random.below(10) == 0 else { continue }
            let wanted: Set<MACAddress> = [mac(0), mac(3)]
            let holders = list.filter { item in item.entries.contains { $0.macAddress.map(wanted.contains) ?? false } }
            #expect(Set(ledger.holders(of: wanted).keys) == Set(holders.map(\.holder)))
            #expect(ledger.conflicts(on: holder.port, domain: domain).isEmpty, "seed \(seed), step \(step)")
            guard random.below(5) == 0 else { continue }
            ledger.releaseAll(on: holder.port)
            list.removeAll { $0.holder.port == holder.port }
            #expect(ledger.load.claims == list.count)
        }
        for item in list { ledger.release(item.claim) }
        #expect(ledger.load == (0, 0), "seed \(seed)")
    }
}

private struct SplitMix {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ mixed >> 31) % UInt64(bound))
    }
}
