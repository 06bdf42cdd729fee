internal import Dataplane
internal import EVBLog
internal import EVBSettings
package import EVBWire
package import LinuxSystem
internal import Logging
internal import Netlink

/// The guest filter at a port: it covers machines whose links the host does not see, and keeps the addresses of VSIs
/// that are not associated off the wire.
///
/// While it is in force evbd hears the port before the rules do.
package final class PortGate {
    private let filter: GuestFilter
    private let portName: String
    private let table: LinkTable
    private let logger: Logger
    private var mark: UInt32 { filter.mark }
    private var raising = Reconciler<GuestRules.Gate>()
    /// Why nftables has refused the rules; nil where it has not.
    private(set) var failure: String?
    /// The rules that are in force, or are about to be.
    private var rules: GuestRules.Gate?
    private var isOn: Bool
    private var groupAddress: HardwareAddress?
    private(set) var closed: ClosedAddresses
    /// Addresses that stay closed without a VSI, each once for each of its links.
    package var keptCount: Int { closed.keptCount }
    private var cards = BridgeCards()
    /// The addresses that an earlier evbd had closed at this port.
    package let formerlyClosed: Set<HardwareAddress>
    /// Called with evbd's mark when its socket has to bear it, and with nil when it need not any more.
    package var onMark: ((UInt32?) -> Void)? { didSet { if isOn { onMark?(mark) } } }
    /// Whether a machine has the port for itself.
    var hasLoneGuest: () -> Bool = { false }

    /// Is not in force before `follow`.
    init(filter: GuestFilter, portName: String, table: LinkTable, policy: RelayPolicy, logger: Logger) {
        self.filter = filter
        self.portName = portName
        self.table = table
        self.logger = logger
        isOn = policy.filtersGuests
        groupAddress = policy.groupAddress
        closed = ClosedAddresses(isOn: policy.gate == .down)
        formerlyClosed = table[portName].map { filter.closedQueue.installed(port: $0.index) } ?? []
    }

    /// Whether the rules are in force, or are about to be.
    var isRaised: Bool { rules != nil && failure == nil }

    /// Whether an earlier evbd had one of these addresses closed.
    package func wasClosed(_ addresses: AddressSet) -> Bool { !addresses.isDisjoint(with: formerlyClosed) }

    // MARK: Rules

    /// The configuration has changed.
    func apply(_ policy: RelayPolicy) {
        send(closed.setOn(policy.gate == .down))
        guard policy.filtersGuests != isOn || policy.groupAddress != groupAddress else { return }
        groupAddress = policy.groupAddress
        guard policy.filtersGuests != isOn else { return follow() }
        isOn = policy.filtersGuests
        if isOn { onMark?(mark) } else { lower() }
        follow()
    }

    /// Brings the rules into line with the port as it is now.
    func follow() {
        guard isOn, let port = table[portName] else { return }
        let master = port.masterIndex.flatMap { table[$0] }
        let hasSpanningTree = master?.spanningTree == true
        cards.setBridge(master?.kind == "bridge" ? master?.index : nil, port: port.index) { bridge in
            table.all { $0.masterIndex == bridge }
        }
        let wanted = GuestRules.Gate(
            index: port.index, name: port.name, mark: mark, groupAddress: groupAddress,
            spanningTreeSource: hasSpanningTree ? port.address : nil,
            forwardsSpanningTree: !hasSpanningTree && !cards.isEmpty, hasLoneGuest: hasLoneGuest(),
            isBonded: master?.kind == "bond")
        send(closed.setExempt(Set([port.address, master?.address].compactMap { $0 })))
        guard wanted != rules || failure != nil else { return }
        let isAnother = rules?.index != wanted.index
        if isAnother, let old = rules { filter.release(port: old.index) }
        rules = wanted
        let isEmpty = isAnother || failure != nil
        failure = nil
        let turn = raising.begin(wanted)
        if isEmpty { fill(port.index) }
        filter.protect(wanted) { [weak self] problem in self?.raised(turn, problem) }
    }

    /// A link has changed, or is gone: the port's bridge may have another way to the network now, or none any more.
    func linkChanged(_ name: String) { if cards.linkChanged(name, table[name]) { follow() } }

    private func raised(_ turn: Reconciler<GuestRules.Gate>.Turn, _ problem: String?) {
        guard raising.ended(turn) != nil else { return }
        failure = problem
        guard let problem else { return }
        logger.alert(.enforcementFailed).warning(
            """
            machines on this port can speak LLDP and ECP to the switch: the guest filter cannot be set up; it needs \
            nftables with the egress hook of the family netdev (Linux 5.16). guest-filter: false switches it off
            """,
            metadata: ["problem": "\(problem)"])
        // The mark stays: rules from before may be in force, which let nothing else pass.
    }

    /// Ends it: the filter is switched off, or the port is not evbd's any more.
    func lower() {
        if let rules { filter.release(port: rules.index) }
        rules = nil
        raising.reset()
        failure = nil
        onMark?(nil)
    }

    // MARK: Closed addresses

    /// Makes the set in the kernel what it is to be, whatever it is.
    private func fill(_ index: Int32) {
        send(closed.adopt(filter.closedQueue.installed(port: index)))
        filter.refillClosed[index] = { [weak self] present in
            guard let self else { return false }
            let missing = closed.current.subtracting(present)
            send(missing.map { ClosedAddresses.Change(address: $0, isClosed: true) })
            return !missing.isEmpty
        }
    }

    /// What a VSI has said of its addresses last; nil where it has said nothing.
    func claim(of vsiID: VSIID) -> ClosedAddresses.Claim? { closed.claims[vsiID] }

    /// What a VSI says of its addresses. Closing those that were open is urgent.
    func set(_ vsiID: VSIID, open: AddressSet, closed addresses: AddressSet, isUrgent: Bool) {
        send(closed.set(vsiID, open: open, closed: addresses), isUrgent: isUrgent)
    }

    /// Makes room for the addresses of so many VSIs at once.
    package func reserveCapacity(_ count: Int) { closed.reserveCapacity(count) }

    /// All addresses of a VSI.
    package func addresses(of vsiID: VSIID) -> AddressSet { claim(of: vsiID)?.all ?? [] }

    /// Nothing is known of a VSI any more.
    func forget(_ vsiID: VSIID) { send(closed.forget(vsiID)) }

    /// A VSI is given up while its link stays.
    func handBack(_ vsiID: VSIID, link index: Int32) { send(closed.handBack(vsiID, link: index)) }

    /// Keeps addresses closed for a link that no VSI has.
    func keepClosed(_ addresses: AddressSet, link index: Int32, isUrgent: Bool = false) {
        send(closed.keepClosed(addresses, link: index), isUrgent: isUrgent)
    }

    /// Keeps addresses closed for links that the host may not see, until a read of the port's table after that one.
    func keepClosedUnseen(_ addresses: AddressSet, after read: UInt64) {
        send(closed.keepClosedUnseen(addresses, after: read))
    }

    /// A link that keeps addresses closed has gone to another network namespace.
    func linkDeparted(_ index: Int32, after read: UInt64) { send(closed.linkDeparted(index, after: read)) }

    /// The port's own forwarding table was read.
    func tableRead(_ number: UInt64, _ present: Set<HardwareAddress>) { send(closed.tableRead(number, present)) }

    /// A link is gone.
    func linkGone(_ index: Int32) { if closed.keepsClosed(link: index) { send(closed.linkGone(index)) } }

    private func send(_ changes: [ClosedAddresses.Change], isUrgent: Bool = false) {
        guard let index = rules?.index, failure == nil, !changes.isEmpty else { return }
        filter.setClosed(changes, port: index, isUrgent: isUrgent)
    }

    /// Whether the closed set lets the addresses of an associated VSI pass.
    func isOpen(_ vsiID: VSIID) -> Bool {
        guard let index = rules?.index else { return true }
        return !filter.closedQueue.isOpening(claim(of: vsiID)?.open ?? [], port: index)
    }

    /// Calls back when the addresses of an associated VSI pass, or with why they still do not. They are tried again all the same.
    func whenOpen(_ vsiID: VSIID, then: @escaping (String?) -> Void) {
        guard let index = rules?.index else { return then(nil) }
        filter.awaitOpen(claim(of: vsiID)?.open ?? [], port: index, then: then)
    }
}
