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

    subscript(address: HardwareAddress) -> Count {
        switch tallies[address] {
        case nil: Count()
        case .oneOpen?: .oneOpen
        case .oneClosed?: .oneClosed
        case .other?: others[address] ?? Count()
        }
    }

    mutating func add(_ step: Count, to address: HardwareAddress) {
        var count = self[address]
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
