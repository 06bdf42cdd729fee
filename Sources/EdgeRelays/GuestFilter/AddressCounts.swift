internal import EVBWire
internal import LinuxSystem

/// How often each address is to pass, and how often it is to be closed.
///
/// Nearly all are of one VSI, those of tens of thousands: of these an octet tells it.
struct AddressCounts {
    struct Count: Equatable {
        var open: Int32 = 0
        var closed: Int32 = 0
        /// How many of these are VSIs' claims.
        var ofVSIs: Int32 = 0

        fileprivate static let oneOpen = Count(open: 1, ofVSIs: 1)
        fileprivate static let oneClosed = Count(closed: 1, ofVSIs: 1)
    }

    private enum Tally: UInt8 { case oneOpen, oneClosed, other }

    private var tallies = DenseDictionary<HardwareAddress, Tally>()
    private var others: [HardwareAddress: Count] = [:]

    var addresses: [HardwareAddress] { tallies.keys }

    subscript(address: HardwareAddress) -> Count { count(tallies[address], of: address) }

    private func count(_ tally: Tally?, of address: HardwareAddress) -> Count {
        switch tally {
        case nil: Count()
        case .oneOpen?: .oneOpen
        case .oneClosed?: .oneClosed
        case .other?: others[address] ?? Count()
        }
    }

    mutating func add(_ step: Count, to address: HardwareAddress) {
        // As nearly always, nothing was said of it before: that is one search.
        let alone: Tally? = step == .oneOpen ? .oneOpen : step == .oneClosed ? .oneClosed : nil
        let former: Tally?
        if let alone {
            former = tallies.updateValue(alone, forKey: address)
            if former == nil { return }
        } else {
            former = tallies[address]
        }
        var count = count(former, of: address)
        count.open += step.open
        count.closed += step.closed
        count.ofVSIs += step.ofVSIs
        let tally: Tally? =
            switch count {
            case Count(): nil
            case .oneOpen: .oneOpen
            case .oneClosed: .oneClosed
            default: .other
            }
        if tally == .other { others[address] = count } else if !others.isEmpty { others[address] = nil }
        tallies[address] = tally
    }

    /// Makes room for so many addresses at once.
    mutating func reserveCapacity(_ count: Int) { tallies.reserveCapacity(count) }
}
