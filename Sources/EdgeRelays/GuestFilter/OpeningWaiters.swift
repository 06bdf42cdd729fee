internal import LinuxSystem

/// Who waits for addresses to be opened in the kernel.
///
/// Each waiter stands at one of its addresses that is not open yet. It is looked at when that one is open, or need not be any more:
/// what becomes of one address costs the same however many wait for others.
struct OpeningWaiters {
    struct Waiter {
        var addresses: AddressSet
        var portIndex: Int32
        var then: (String?) -> Void
        /// How often nftables has refused to open the addresses.
        var refusals = 0
    }

    private var standing: [Int32: [HardwareAddress: [Waiter]]] = [:]
    /// Those who stand nowhere any more, in the order in which that came.
    private var freed: [Waiter] = []

    /// Whether there is one that stands nowhere.
    var hasFreed: Bool { !freed.isEmpty }

    /// Takes a waiter in, at one of its addresses that is about to be opened; nil where none is.
    mutating func append(_ waiter: Waiter, at address: HardwareAddress?) {
        guard let address else { return freed.append(waiter) }
        standing[waiter.portIndex, default: [:]][address, default: []].append(waiter)
    }

    /// An address is open, or is not to be opened any more.
    mutating func free(_ address: HardwareAddress, port index: Int32) {
        guard let waiters = standing[index]?.removeValue(forKey: address) else { return }
        freed += waiters
        if standing[index]?.isEmpty == true { standing[index] = nil }
    }

    /// No address of a port is waited for any more.
    mutating func free(port index: Int32) {
        for waiters in (standing.removeValue(forKey: index) ?? [:]).values { freed += waiters }
    }

    /// Takes out those who stand nowhere.
    mutating func takeFreed() -> [Waiter] {
        defer { freed = [] }
        return freed
    }

    /// nftables has refused to open some addresses, by port. Takes out those who have waited for too many refusals.
    mutating func countRefusal(of refused: [Int32: Set<HardwareAddress>]) -> [Waiter] {
        var tired: [Waiter] = []
        for (index, addresses) in refused {
            for (address, waiters) in standing.removeValue(forKey: index) ?? [:] {
                for var waiter in waiters {
                    if !waiter.addresses.isDisjoint(with: addresses) { waiter.refusals += 1 }
                    if waiter.refusals < ClosedQueue.refusalsMax {
                        append(waiter, at: address)
                    } else {
                        tired.append(waiter)
                    }
                }
            }
        }
        return tired
    }
}
