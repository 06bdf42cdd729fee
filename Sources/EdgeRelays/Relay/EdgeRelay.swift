package import Dataplane
internal import EVBLog
internal import EVBSettings
internal import EVBTime
package import EVBWire
package import EdgeRelayMachine
package import EventLoop
internal import LinuxSystem
package import Logging
package import Netlink
package import OpenVSwitch

/// The links of one port's VSIs. `RelayMachine` decides; this makes the operations, tells the machine what the kernel says,
/// and tells managers and the log what the machine says.
///
/// The links themselves are those of backends (`LinkBackend`). Files: this one is what others see; `+Backends` chooses the backend, `+View`
/// is what the machine asks, `+Changes` brings the kernel's news, `+Former` is about what an earlier run has left, `+Addresses` about what
/// the gate keeps closed, `+Rounds` tells many VSIs something, some at a time, `+Values` translates.
package final class EdgeRelay {
    /// A link that a manager asked for.
    package struct Specification: Equatable {
        package var name: String
        package var kind: MacvlanSpec.Kind
        /// nil follows the edge relay.
        package var mode: MacvlanMode?
        package var address: MACAddress
        /// Octets; nil takes that of the link below.
        package var mtu: UInt32?
        /// Whose frames a macvlan in source mode lets in.
        package var sources: [MACAddress] = []
        /// Whether the link takes frames to all multicast groups.
        package var allmulticast = false

        package init(
            name: String, kind: MacvlanSpec.Kind, mode: MacvlanMode? = nil, address: MACAddress, mtu: UInt32? = nil,
            sources: [MACAddress] = [], allmulticast: Bool = false
        ) {
            self.name = name
            self.kind = kind
            self.mode = mode
            self.address = address
            self.mtu = mtu
            self.sources = sources
            self.allmulticast = allmulticast
        }
    }

    /// What link a VSI is to have. Indirect: most VSIs demand none, and have no room for one.
    package indirect enum Demand: Equatable {
        /// One that evbd makes.
        case make(Specification)
        /// One that somebody else makes, of that name, or with one of these addresses; there need not be one.
        case find(name: String?, addresses: [MACAddress])
        /// A virtual function of the port's card.
        case function(VirtualFunctions.Demand)

        /// The name of the link, where it is demanded.
        package var name: String? {
            switch self {
            case .make(let specification): specification.name
            case .find(let name, _): name
            case .function(let function): function.name
            }
        }
    }

    /// What a link's alias begins with, by which evbd knows its own after a restart.
    static let aliasPrefix = "evbd "
    /// The alias of VLAN devices that evbd has made for links.
    static let vlanAlias = "evbd VLAN"
    package typealias Completion = (Result<Void, NetlinkError>) -> Void

    package let programmer: KernelQueue
    package let table: LinkTable
    package let filter: GuestFilter
    package let gate: PortGate
    package let guests: GuestLinks
    package let unseen: UnseenLinks
    /// The links of the host.
    package let links: HostLinks
    /// The host's Open vSwitch, if there is to be one.
    package let openVSwitch: OpenVSwitch?
    var taps: SwitchTaps?
    package let cardSwitch: CardSwitch
    /// The first that serves a link's origin has the link.
    var backends: [any LinkBackend]
    package let portName: String
    package let logger: Logger
    /// Called with what a manager should know of its VSI's link.
    package var onTrouble: ((VSIID, String) -> Void)?
    /// Called when the link of a VSI has gone to another network namespace, or has come back.
    package var onDeparture: ((VSIID) -> Void)?
    /// Called when the link of a VSI that was given up is closed at last, after `remove` has failed.
    package var onClosed: ((VSIID) -> Void)?
    /// Called when `unclosed` has changed.
    package var onUnclosed: (() -> Void)?
    /// How long after so many refusals in a row an operation is tried again; for tests, which do not wait.
    var pause: (_ failures: Int) -> Interval = { .seconds(1 << UInt64(min(max($0, 1), 6) - 1)) }
    private var shownUnclosed = 0
    private var portIndex: Int32?
    /// What a line of the log says of a VSI.
    package var facts: (VSIID) -> Logger.Metadata = { ["vsi": "\($0)"] } {
        didSet { links.facts = facts }
    }
    /// Whether a VSI is known, with a link or without.
    package var isKnown: (VSIID) -> Bool = { _ in true }
    /// Whether an interface is one of evbd's ports.
    package let isPort: (String) -> Bool

    package private(set) var policy: RelayPolicy
    package var machine: RelayMachine
    /// Who waits for links to be as they are wanted, and for links to be gone.
    private var waiting = Waiters<Completion>()
    private var waitingForEnd = Waiters<Completion>()
    private(set) var isStopped = false
    package let timers: Timers
    /// What VSIs have still to be told of; nil while that is nothing.
    var round: Round?
    private(set) lazy var roundTimer = timers.timer { [weak self] in self?.tellSome() }
    private var retryTimers: [VSIID: Timers.Timer] = [:]
    /// Has no links yet.
    package init(
        programmer: KernelQueue, table: LinkTable, timers: Timers, filter: GuestFilter, portName: String,
        policy: RelayPolicy, isPort: @escaping (String) -> Bool, openVSwitch: OpenVSwitch? = nil, logger: Logger
    ) {
        // An earlier life of the port, whose gate has stayed, ends here.
        filter.lingering[portName] = nil
        self.programmer = programmer
        self.table = table
        self.filter = filter
        self.portName = portName
        self.policy = policy
        self.timers = timers
        machine = RelayMachine(policy: LinkPolicy(policy))
        self.isPort = isPort
        self.openVSwitch = openVSwitch
        self.logger = logger
        let gate = PortGate(filter: filter, portName: portName, table: table, policy: policy, logger: logger)
        let guests = GuestLinks(
            filter: filter, portName: portName, table: table, isOn: policy.filtersGuests, isPort: isPort, logger: logger
        )
        gate.hasLoneGuest = { [weak guests] in guests?.hasLoneGuest ?? false }
        guests.onLoneGuest = { [weak gate] in gate?.follow() }
        guests.onGone = { [weak gate] in gate?.linkGone($0) }
        let unseen = UnseenLinks(
            programmer: programmer, timers: timers, portName: portName, portIndex: { table[portName]?.index },
            logger: logger)
        self.gate = gate
        self.guests = guests
        self.unseen = unseen
        let links = HostLinks(
            programmer: programmer, table: table, filter: filter, gate: gate, guests: guests, portName: portName,
            isPort: isPort, logger: logger)
        let cardSwitch = CardSwitch(
            programmer: programmer, table: table, portName: portName, policy: policy, timers: timers, logger: logger)
        let functions = VirtualFunctions(
            programmer: programmer, portName: portName, portIndex: { table[portName]?.index }, cardSwitch: cardSwitch)
        self.cardSwitch = cardSwitch
        self.links = links
        backends = [functions, links]
        links.holder = { [weak self] in self?.machine.holder(of: $0) }
        links.isToBeDeleted = { [weak self] in
            guard let slot = self?.machine.slots[$0], slot.desired == .absent else { return false }
            // One that could not be deleted is cut.
            return slot.isCreated && slot.failures == 0
        }
        links.isVLANUsed = { [weak self] in self?.machine.isVLANUsed($0) ?? false }
        links.onTrouble = { [weak self] in self?.trouble($0, $1) }
        followSwitch()
        followUnseen()
    }

    /// Whether there is no link to care for.
    package var isEmpty: Bool { machine.isEmpty }

    /// Configuration or bridge have changed; the links follow.
    package func apply(_ policy: RelayPolicy) {
        guard policy != self.policy else { return }
        let former = self.policy
        self.policy = policy
        guests.setOn(policy.filtersGuests)
        gate.apply(policy)
        cardSwitch.apply(policy)
        // A function says for itself what it does.
        let links = machine.slots.count - machine.assignedCount
        if links > 0, policy.mode != former.mode || policy.isHeld != former.isHeld {
            logger.notice(
                "links follow the edge relay",
                metadata: ["mode": "\(policy.mode)", "held": "\(policy.isHeld)", "links": "\(links)"])
        }
        if links > 0, policy.isHeld, !former.isHeld {
            logger.alert(.neighbourProblem).warning(
                "fallback: hold: links are down until the bridge grants reflective relay")
        }
        tellAll(LinkPolicy(policy))
    }

    // MARK: Demands

    /// The VSI is associated: its link is to be there and up.
    ///
    /// - Parameters:
    ///   - vsiID: The VSI.
    ///   - demand: What link it is to have.
    ///   - vid: The VLAN that all of its frames belong to, if it is one.
    ///   - completion: Called once the link is so, or with the error.
    package func raise(_ vsiID: VSIID, _ demand: Demand, vid: UInt16?, completion: @escaping Completion) {
        let spec = LinkSpec(demand)
        // Only of a link that evbd makes.
        if spec.origin == .created, let refusal = machine.refusal(of: spec, for: vsiID) {
            return completion(.failure(NetlinkError(refusal)))
        }
        waiting.add(completion, for: vsiID)
        perform(machine.want(vsiID, .up(spec, vlan: vid), self))
    }

    /// Whether the link of a VSI is to be up.
    package func wantsUp(_ vsiID: VSIID) -> Bool { machine.slots[vsiID]?.desired.isUp ?? false }

    /// The VSI is associated no longer: its traffic is to stop, its link to stay for the program that has it open.
    package func cut(_ vsiID: VSIID) {
        guard let slot = machine.slots[vsiID] else { return }
        perform(machine.want(vsiID, slot.desired.lowered, self))
    }

    /// The VSI's manager wants it no more: its link goes.
    package func remove(_ vsiID: VSIID, completion: @escaping Completion) {
        if !links.untagged.isEmpty { links.untagged.remove(vsiID) }
        if !links.unguarded.isEmpty { links.unguarded[vsiID] = nil }
        guard hasSlot(vsiID) else { return completion(.success(())) }
        waitingForEnd.add(completion, for: vsiID)
        perform(machine.want(vsiID, .absent, self))
    }

    // MARK: Effects

    /// Carries out what the machine wants.
    package func perform(_ effects: [RelayEffect]) {
        for effect in effects {
            switch effect {
            case .submit(let vsiID, let operation): begin(vsiID, operation)
            case .settled(let vsiID, let failure): settled(vsiID, failure)
            case .removed(let vsiID): endRemoval(vsiID)
            case .report(let vsiID, let report): tell(vsiID, report)
            case .store(let vsiID): onDeparture?(vsiID)
            case .handBack(let vsiID, let index): gate.handBack(vsiID, link: index)
            case .discard(let vsiID, let link): links.discard(vsiID, link)
            case .vlanUnused(let vlan): links.leaveVLAN(vlan)
            case .retryLater(let vsiID, let failures): retryLater(vsiID, failures)
            }
        }
        guard machine.unclosedChanges != shownUnclosed else { return }
        shownUnclosed = machine.unclosedChanges
        onUnclosed?()
    }

    /// The links of VSIs that are not associated which could not be closed, deleted or reset so far, and why, by the VSIs' order.
    package var unclosed: [(vsiID: VSIID, reason: String)] {
        machine.unclosed.sorted { ($0.key.high, $0.key.low) < ($1.key.high, $1.key.low) }.map {
            ($0.key, $0.value.text)
        }
    }

    /// Whether the link of a VSI still has to be closed, deleted or reset.
    package func isUnclosed(_ vsiID: VSIID) -> Bool { machine.unclosed[vsiID] != nil }

    private func settled(_ vsiID: VSIID, _ failure: LinkFailure?) {
        if !hasSlot(vsiID) {
            links.forget(vsiID)
            if !retryTimers.isEmpty { retryTimers[vsiID] = nil }
        }
        let result: Result<Void, NetlinkError> = failure.map { .failure(NetlinkError($0)) } ?? .success(())
        // Both before the first is called: it may ask for another.
        let (ended, removed) = (waiting.take(vsiID), waitingForEnd.take(vsiID))
        for completion in ended { completion(result) }
        for completion in removed { completion(result) }
        if ended.isEmpty, removed.isEmpty, failure == nil, !hasSlot(vsiID) { onClosed?(vsiID) }
    }

    /// Whether the machine knows of a VSI: without a copy of what it knows, or of the machine.
    private func hasSlot(_ vsiID: VSIID) -> Bool { machine.slots.index(forKey: vsiID) != nil }

    private func endRemoval(_ vsiID: VSIID) {
        for completion in waitingForEnd.take(vsiID) { completion(.success(())) }
    }

    private func retryLater(_ vsiID: VSIID, _ failures: Int) {
        guard !isStopped else { return }
        let timer = timers.timer { [weak self] in
            guard let self else { return }
            retryTimers[vsiID] = nil
            perform(machine.observe(.retry(vsiID), self))
        }
        timer.set(timers.now + pause(failures))
        retryTimers[vsiID] = timer
    }

    // MARK: The port

    /// The port has changed, or is to be looked at for the first time.
    package func portChanged() {
        guests.portChanged()
        gate.follow()
        unseen.look()
        cardSwitch.portChanged()
        links.raiseVLANs()
        let index = table[portName]?.index
        if let portIndex, index != portIndex { perform(machine.observe(.portReplaced, self)) }
        portIndex = index
        tellAllOfPort()
    }

    /// evbd stops. Links stay as they are, and so do the rules on them and on the port. What the worker has not been given is
    /// left to the next run.
    package func portCloses() {
        onTrouble = nil
        gate.onMark = nil
        isStopped = true
        links.stop()
    }

    /// The port is evbd's no longer: its rules go, those of its gate not before the last link that they keep out.
    package func portLeaves() {
        portCloses()
        guests.lower()
        if gate.closed.hasUnseen { linger() } else { gate.lower() }
    }

    /// A link by its name, its kind (`macvtap`) and its mode, as far as these are known.
    package struct LinkDescription {
        package var name: String
        package var kind: String?
        package var mode: RelayMode?
        /// The address that the link takes frames for; nil where that is not known, or where it takes all.
        package var address: MACAddress?
    }

    /// The link of a VSI; nil while there is none.
    package func link(of vsiID: VSIID) -> LinkDescription? {
        guard let slot = machine.slots[vsiID], let name = slot.actual.name, !name.isEmpty else { return nil }
        // A function is not the VSI's before it has been set for it.
        if case .here(_, .assigned, .neverOpened, _) = slot.actual { return nil }
        let link = slot.actual.link
        let isCreated = slot.desired.spec?.origin == .created
        let kind = link?.kind ?? slot.desired.spec?.kind
        let mode = link.map(\.mode) ?? (isCreated ? slot.desired.spec?.mode ?? machine.policy.mode : nil)
        let address = link.flatMap { table[$0.index]?.address }.map { MACAddress(truncating: $0.value) }
        return LinkDescription(name: name, kind: kind, mode: mode, address: mode == nil ? nil : address)
    }

    /// The VSIs that have a link of a known name, or are to have one.
    package var vsisWithLinks: [VSIID] { Array(machine.holders.values) }

    /// The link of a VSI in the kernel, as far as it is here; and whether its machine is at the other end of it, so that the
    /// kernel receives what the machine sends: a macvtap or macvlan is the machine's own end.
    package func counted(_ vsiID: VSIID) -> (index: Int32, isOtherEnd: Bool)? {
        guard let index = machine.slots[vsiID]?.index else { return nil }
        return (index, table[index]?.macvlanMode == nil)
    }

    /// Why the guest filter does not cover all machines of the port; nil where it does, or is switched off.
    package var filterFailure: String? { gate.failure ?? links.unguarded.values.first }

    package static func alias(_ vsiID: VSIID) -> String { aliasPrefix + vsiID.description }

    func trouble(_ vsiID: VSIID, _ text: String) {
        logger.alert(.vsiLinkFailed).warning("\(text)", metadata: facts(vsiID))
        onTrouble?(vsiID, "VSI \(vsiID): \(text)")
    }

    func isWaitedFor(_ vsiID: VSIID) -> Bool { waiting.contains(vsiID) }

    /// The address as a link of the machine has it, and as libvirt gives it to a tap: there the first octet is FE, so
    /// that a bridge does not take the tap's own address for its own.
    static func hardwareAddresses(_ address: MACAddress) -> [HardwareAddress] {
        let own = HardwareAddress(address.rawValue)
        return [own, tapForm(of: own)]
    }

    static func tapForm(of address: HardwareAddress) -> HardwareAddress {
        HardwareAddress(address.value & 0x00FF_FFFF_FFFF | 0xFE00_0000_0000)
    }
}
