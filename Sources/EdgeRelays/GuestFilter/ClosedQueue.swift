internal import EVBTime
internal import EventLoop
internal import LinuxSystem

/// The changes of closed addresses that are still to be made in the kernel, and who waits for them.
final class ClosedQueue {
    private struct Waiter {
        var addresses: AddressSet
        var portIndex: Int32
        var then: (String?) -> Void
        /// How often nftables has refused to open the addresses.
        var refusals = 0
    }

    /// Refusals, about a second apart, after which those who wait hear of them.
    static let refusalsMax = 5

    /// What is to be made of an address.
    private struct Wish {
        var isClosed: Bool
        /// When it is to be made; before then it may be taken back. nil is at once.
        var due: Instant?
    }

    /// What is to be made of addresses, by port; nothing that the kernel has already.
    private var pending: [Int32: [HardwareAddress: Wish]] = [:]
    /// What the kernel has when the transaction under way is done.
    private var installed: [Int32: Set<HardwareAddress>] = [:]
    /// The addresses that the transaction under way opens.
    private var opening: [Int32: Set<HardwareAddress>] = [:]
    /// The changes of the transaction under way.
    private var underWay: [Int32: [HardwareAddress: Bool]] = [:]
    /// Commands that delete a port's set and are still to be given to the kernel, by port. What is asked of the set since
    /// then comes after them.
    private var releases: [Int32: Int] = [:]
    private var waiters: [Waiter] = []
    /// Gives those who need not wait any more their turns, as a transaction may be of thousands; nil calls all of them at once.
    var turns: WorkQueue<() -> Void>?

    /// Whether anything waits for the end of a change.
    var hasWaiters: Bool { !waiters.isEmpty }

    /// Whether there is nothing to do.
    var isEmpty: Bool { pending.isEmpty }

    /// What the kernel has of a port, or is about to have.
    func installed(port index: Int32) -> Set<HardwareAddress> { installed[index, default: []] }

    /// An earlier run has closed these addresses.
    func adopt(_ addresses: Set<HardwareAddress>, port index: Int32) { installed[index] = addresses }

    /// The kernel has these addresses only; others that it should have are to be asked for again. What is under way may be
    /// among those, and does no harm twice.
    func lost(allBut present: Set<HardwareAddress>, port index: Int32) { installed[index]?.formIntersection(present) }

    /// When the next change is due; nil if there is none.
    func nextDue(now: Instant) -> Instant? { pending.values.lazy.flatMap(\.values).map { $0.due ?? now }.min() }

    /// Asks for a change; one that takes an earlier one back costs nothing.
    ///
    /// - Parameters:
    ///   - change: The change.
    ///   - index: The port.
    ///   - due: When it is to be made at the latest; nil is with the next transaction.
    func set(_ change: ClosedAddresses.Change, port index: Int32, due: Instant? = nil) {
        if installed[index, default: []].contains(change.address) == change.isClosed {
            pending[index]?[change.address] = nil
            if pending[index]?.isEmpty == true { pending[index] = nil }
        } else {
            let former = pending[index]?[change.address]
            pending[index, default: [:]][change.address] = Wish(
                isClosed: change.isClosed, due: former == nil ? due : Self.earlier(former?.due, due))
        }
    }

    private static func earlier(_ one: Instant?, _ other: Instant?) -> Instant? {
        guard let one, let other else { return nil }
        return min(one, other)
    }

    /// A port's set is to be deleted, by a command that waits. What is asked for from now on is for the set after it.
    func forget(port index: Int32) {
        pending[index] = nil
        installed[index] = nil
        opening[index] = nil
        underWay[index] = nil
        releases[index, default: 0] += 1
        callBack()
    }

    /// The command that deletes a port's set is given to the kernel, before what is taken from now on.
    func releaseBegins(port index: Int32) {
        guard let count = releases[index] else { return }
        releases[index] = count > 1 ? count - 1 : nil
    }

    /// Whether one of the addresses is closed in the kernel and about to be opened.
    func isOpening(_ addresses: AddressSet, port index: Int32) -> Bool {
        let underWay = opening[index, default: []]
        let asked = pending[index, default: [:]]
        return addresses.contains { underWay.contains($0) || asked[$0]?.isClosed == false }
    }

    /// Calls back when none of the addresses is, or with why they are still closed.
    func wait(_ addresses: AddressSet, port index: Int32, then: @escaping (String?) -> Void) {
        waiters.append(Waiter(addresses: addresses, portIndex: index, then: then))
    }

    /// Takes changes for the next transaction: all that are due, but those of ports whose sets are deleted first. May be called
    /// again for the same transaction, after `releaseBegins`.
    ///
    /// - Parameter moment: What is due later is not taken; nil takes all.
    /// - Returns: A change for each port.
    func take(dueBy moment: Instant? = nil) -> [GuestRules.Change] {
        var taken: [Int32: [HardwareAddress: Bool]] = [:]
        for (index, wishes) in pending where releases[index] == nil {
            let ripe = wishes.filter { _, wish in
                guard let moment, let due = wish.due else { return true }
                return due <= moment
            }
            guard !ripe.isEmpty else { continue }
            taken[index] = ripe.mapValues(\.isClosed)
            pending[index] = ripe.count == wishes.count ? nil : wishes.filter { ripe[$0.key] == nil }
        }
        underWay.merge(taken) { $0.merging($1) { _, new in new } }
        return taken.keys.sorted().map { index in
            let changes = taken[index, default: [:]]
            let closing = changes.filter { $0.value }.map(\.key)
            let opened = changes.filter { !$0.value }.map(\.key)
            installed[index, default: []].formUnion(closing)
            installed[index, default: []].subtract(opened)
            opening[index] = Set(opened)
            return GuestRules.closed(
                index, adding: closing.sorted { $0.value < $1.value }, removing: opened.sorted { $0.value < $1.value })
        }
    }

    /// nftables has refused the transaction under way: what it was to change is asked for again, unless it has been since.
    ///
    /// - Parameters:
    ///   - problem: Why.
    ///   - due: When it is to be tried again.
    func failed(_ problem: String, due: Instant? = nil) {
        countRefusal(problem)
        for (index, changes) in underWay where installed[index] != nil {
            for (address, isClosed) in changes {
                if isClosed { installed[index]?.remove(address) } else { installed[index]?.insert(address) }
                switch pending[index]?[address]?.isClosed {
                case nil: pending[index, default: [:]][address] = Wish(isClosed: isClosed, due: due)
                case .some(isClosed): break
                // The opposite has been asked for since, which is how it is.
                case .some: pending[index]?[address] = nil
                }
            }
            if pending[index]?.isEmpty == true { pending[index] = nil }
        }
        underWay = [:]
    }

    private func countRefusal(_ problem: String) {
        let all = waiters
        waiters = []
        for var waiter in all {
            if !opening[waiter.portIndex, default: []].isDisjoint(with: waiter.addresses) { waiter.refusals += 1 }
            if waiter.refusals < Self.refusalsMax { waiters.append(waiter) } else { waiter.then(problem) }
        }
    }

    /// The transaction is done.
    func done() {
        opening = [:]
        underWay = [:]
        callBack()
    }

    /// Calls back those who need not wait any more, because what they waited for was taken back.
    func callBack() {
        guard !waiters.isEmpty else { return }
        let all = waiters
        waiters = []
        guard let turns else {
            for waiter in all { callBack(waiter) }
            return
        }
        var ready: [() -> Void] = []
        for waiter in all {
            if isOpening(waiter.addresses, port: waiter.portIndex) {
                waiters.append(waiter)
            } else {
                ready.append { [weak self] in self?.callBack(waiter) }
            }
        }
        turns.append(contentsOf: ready)
    }

    /// Calls back one whose addresses are open; they may be about to be opened once more when its turn comes.
    private func callBack(_ waiter: Waiter) {
        if isOpening(waiter.addresses, port: waiter.portIndex) { waiters.append(waiter) } else { waiter.then(nil) }
    }
}
