internal import EVBWire
internal import LinuxSystem

/// What each VSI says of its addresses: in eight octets of each beside its name, as nearly all have one address.
struct ClaimTable {
    typealias Claim = ClosedAddresses.Claim

    private struct Packed {
        enum Kind: UInt8 { case oneOpen, oneClosed, several }

        let low: UInt32
        let high: UInt16
        let kind: Kind

        init(_ address: HardwareAddress, _ kind: Kind) {
            low = UInt32(truncatingIfNeeded: address.value)
            high = UInt16(truncatingIfNeeded: address.value >> 32)
            self.kind = kind
        }

        var address: HardwareAddress { HardwareAddress(UInt64(high) << 32 | UInt64(low)) }
    }

    private var packed = DenseDictionary<VSIID, Packed>()
    /// Those of several addresses, or of none.
    private var others: [VSIID: Claim] = [:]

    subscript(vsiID: VSIID) -> Claim? {
        guard let packed = packed[vsiID] else { return nil }
        return claim(packed, of: vsiID)
    }

    private func claim(_ packed: Packed, of vsiID: VSIID) -> Claim? {
        switch packed.kind {
        case .oneOpen: .oneOpen(packed.address)
        case .oneClosed: .oneClosed(packed.address)
        case .several: others[vsiID]
        }
    }

    /// - Returns: what it said before.
    mutating func update(_ claim: Claim, of vsiID: VSIID) -> Claim? {
        let new: Packed =
            switch claim {
            case .oneOpen(let address): Packed(address, .oneOpen)
            case .oneClosed(let address): Packed(address, .oneClosed)
            case .several: Packed(HardwareAddress(0), .several)
            }
        let former = packed.updateValue(new, forKey: vsiID).flatMap { self.claim($0, of: vsiID) }
        if new.kind == .several { others[vsiID] = claim } else if !others.isEmpty { others[vsiID] = nil }
        return former
    }

    /// - Returns: what it said before.
    mutating func remove(_ vsiID: VSIID) -> Claim? {
        guard let former = packed.removeValue(forKey: vsiID) else { return nil }
        defer { if former.kind == .several { others[vsiID] = nil } }
        return claim(former, of: vsiID)
    }

    /// Makes room for those of so many VSIs at once.
    mutating func reserveCapacity(_ count: Int) { packed.reserveCapacity(count) }
}
