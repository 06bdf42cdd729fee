import EVBTime
import EVBWire
import Glibc
import Testing

@testable import EdgeRelayMachine

@Suite struct SeekerIndexTests {
    @Test("SPD-190 VSIs are found by the addresses that they look for, whatever comes and goes")
    func same() {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? 20_261_130
        print("seekers: EVBD_SEED=\(seed)")
        var random = SplitMix64(seed: seed)
        var (index, slots) = (SeekerIndex(), DenseDictionary<VSIID, LinkSlot>())
        var model: [VSIID: MACAddress] = [:]
        for step in 0..<20_000 {
            // First more come than go, then the other way round.
            let vsiID = VSIID(format: .uuid, high: 1, low: random.next() % 2000)
            let address = MACAddress(truncating: random.next() % 500)
            if let former = model.removeValue(forKey: vsiID) {
                slots[vsiID] = nil
                index.remove(vsiID, seeking: former)
            }
            if random.next() % 10_000 > step / 2 {
                model[vsiID] = address
                slots[vsiID] = LinkSlot(.up(LinkSpec(.found, name: nil, addresses: [address]), vlan: nil))
                index.add(vsiID, seeking: address)
            }
            let wanted = Set(model.lazy.filter { $0.value == address }.map(\.key))
            let found = index.seekers(of: address, in: slots)
            #expect(found.isSuperset(of: wanted) && found.count <= wanted.count + 2, "EVBD_SEED=\(seed), step \(step)")
        }
        for (vsiID, address) in model { index.remove(vsiID, seeking: address) }
        #expect(index.isEmpty && index.seekers(of: MACAddress(truncating: 1), in: slots).isEmpty)
    }

    @Test("SPD-190 what a link is to be takes few octets where an address tells it, and says the same")
    func specifications() {
        #expect(MemoryLayout<LinkSpec>.size <= 17)
        let address = MACAddress(truncating: 0x5254_0000_0001)
        let plain = LinkSpec(.found, name: nil, addresses: LinkAddresses(bothFormsOf: address))
        #expect(
            plain.origin == .found && plain.name == nil && plain.kind == nil && plain.mode == nil && plain.mtu == nil)
        #expect(plain.sources.isEmpty && !plain.allmulticast)
        #expect(Array(plain.addresses) == [address, MACAddress(truncating: 0xFE54_0000_0001)])
        #expect(LinkAddresses(Array(plain.addresses)) == plain.addresses, "equal lists are kept alike")
        let made = LinkSpec(
            .created, name: "vm0", addresses: [address], mode: .vepa, mtu: 9000, kind: "macvtap", sources: [address],
            allmulticast: true)
        #expect(
            made.origin == .created && made.name == "vm0" && made.kind == "macvtap" && made.mode == .vepa
                && made.mtu == 9000)
        #expect(made.sources == [address] && made.allmulticast && made != plain && !made.isSameLink(as: plain))
        let other = LinkSpec(
            .created, name: "vm0", addresses: [address], mode: .bridge, kind: "macvtap", sources: [address],
            allmulticast: true)
        #expect(made != other && made.isSameLink(as: other), "mode and MTU can be set while it is there")
        var tap = other
        tap.kind = "macvlan"
        #expect(!tap.isSameLink(as: other) && tap.kind == "macvlan" && other.kind == "macvtap")
    }
}
