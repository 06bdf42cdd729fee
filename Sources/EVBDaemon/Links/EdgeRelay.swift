internal import Dataplane
internal import EVBModel
internal import EVBSettings
internal import EVBWire
internal import EventLoop
internal import LinuxSystem
internal import Logging
internal import Netlink

/// The links of one port's VSIs: what each should be, and the steps that bring it there.
///
/// Traffic passes only while the bridge has granted the association: a link is made when it does, set down when the
/// bridge takes it back, and deleted when its manager wants it no more. A link that somebody else has made for the VSI
/// is adopted: set up, down and into the mode of the edge relay like those, and never deleted.
///
/// Each link has at most one command under way; what is wanted meanwhile is compared with what has come of it when it
/// is done. Files: this one is what others see; `+Steps` compares and goes ahead, `+Finding` says which link is a
/// VSI's, `+Changes` is about what somebody else does to links.
final class EdgeRelay {
    /// A link that a manager asked for.
    struct Specification: Equatable {
        var name: String
        var kind: MacvlanSpec.Kind
        /// nil follows the edge relay.
        var mode: MacvlanMode?
        var address: MACAddress
        /// Octets; nil takes that of the link below.
        var mtu: UInt32?
        /// Whose frames a macvlan in source mode lets in.
        var sources: [MACAddress] = []
    }

    /// What link a VSI is to have.
    enum Demand: Equatable {
        /// One that evbd makes.
        case make(Specification)
        /// One that somebody else makes, of that name, or with one of these addresses; there need not be one.
        case find(name: String?, addresses: [MACAddress])
        /// A virtual function of the port's card.
        case function(VirtualFunctions.Demand)

        /// The name of the link, where it is demanded.
        var name: String? {
            switch self {
            case .make(let specification): specification.name
            case .find(let name, _): name
            case .function(let function): function.name
            }
        }
    }

    enum Wish {
        case up
        case down
        case absent
    }

    struct Entry {
        var demand: Demand
        /// The VLAN that all frames of the VSI belong to, if it is one.
        var vid: UInt16?
        var wish = Wish.absent
        var link: Link?
        /// evbd has made the link, so it is evbd's to delete.
        var isMade = false
        /// The link is in another network namespace.
        var isElsewhere = false
        /// The link that the next one is made on, where that is not the port.
        var parentIndex: Int32?
        /// The VLAN whose device the link that evbd made sits on.
        var usedVLAN: UInt16?
        /// The link that evbd had made and that is not there any more, without news of what has become of it.
        var missing: Link?
        /// A link that is about to be gone, though the table may have it still.
        var discarded: Int32?
        /// evbd has set it down.
        var isCut = false
        /// It has been up while its VSI was associated.
        var wasRaised = false
        /// Why it cannot be brought into its mode; it is kept down then.
        var fault: NetlinkError?
        /// How often another process may spoil it before it is left as it is.
        var corrections = EdgeRelay.correctionsMax
        /// How often evbd still logs that it closes the link again; closing itself has no limit.
        var closingReports = EdgeRelay.correctionsMax
        var isBusy = false
        /// The kernel has told of its link while that was so.
        var hasNews = false
        var waiting: [(Result<Void, NetlinkError>) -> Void] = []
        /// Those who wait for the link to be gone.
        var waitingForEnd: [(Result<Void, NetlinkError>) -> Void] = []
    }

    /// What a link's alias begins with, by which evbd knows its own after a restart.
    static let aliasPrefix = "evbd "
    /// The alias of VLAN devices that evbd has made for links.
    static let vlanAlias = "evbd VLAN"
    /// Somebody who wants a link otherwise than evbd is not fought for ever; each request and each news of the bridge
    /// begins anew.
    static let correctionsMax = 5

    let programmer: LinkProgrammer
    let table: LinkTable
    let filter: GuestFilter
    let gate: PortGate
    let guests: GuestLinks
    let unseen: UnseenLinks
    let functions: VirtualFunctions
    let portName: String
    let logger: Logger
    /// Called with what a manager should know of its VSI's link.
    var onTrouble: ((VSIID, String) -> Void)?
    /// Called when the link of a VSI has gone to another network namespace, or has come back.
    var onDeparture: ((VSIID) -> Void)?
    /// Whether a VSI is known, with a link or without.
    var isWanted: (VSIID) -> Bool = { _ in true }
    /// Whether an interface is one of evbd's ports.
    let isPort: (String) -> Bool

    private(set) var policy: RelayPolicy
    var entries: [VSIID: Entry] = [:]
    /// The VSIs by the names of their links, those that are not made yet among them.
    var vsiOfName: [String: VSIID] = [:]
    /// The VSIs whose links are somebody else's to make, by their addresses.
    var seekers: [HardwareAddress: [VSIID]] = [:]
    /// How many links that evbd made are on the device of a VLAN.
    var vlanUsers: [UInt16: Int] = [:]
    /// VLAN devices that are about to be gone, though the table may have them still.
    var discardedVLANs: Set<Int32> = []
    /// VSIs of the run before, which may have been killed before it had marked their links as evbd's.
    var resumed: Set<VSIID> = []
    var hasToldOfVLANs = false
    var hasToldOfFilter = false
    /// The host's IP is kept off the links that evbd makes, as far as that can be.
    var isHostOff = false

    /// Has no links yet.
    init(
        programmer: LinkProgrammer, table: LinkTable, timers: Timers, filter: GuestFilter, portName: String,
        policy: RelayPolicy, isPort: @escaping (String) -> Bool, logger: Logger
    ) {
        // An earlier life of the port, whose gate has stayed, ends here.
        filter.lingering[portName] = nil
        self.programmer = programmer
        self.table = table
        self.filter = filter
        self.portName = portName
        self.policy = policy
        self.isPort = isPort
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
        functions = VirtualFunctions(
            programmer: programmer, portName: portName, portIndex: { table[portName]?.index }, policy: policy,
            logger: logger)
        followUnseen()
    }

    /// Whether there is no link to care for.
    var isEmpty: Bool { entries.isEmpty && functions.isEmpty }

    /// Configuration or bridge have changed; the links follow.
    func apply(_ policy: RelayPolicy) {
        guard policy != self.policy else { return }
        let former = self.policy
        self.policy = policy
        functions.policy = policy
        guests.setOn(policy.filtersGuests)
        gate.apply(policy)
        guard !entries.isEmpty else { return }
        if policy.mode != former.mode || policy.isHeld != former.isHeld {
            logger.notice(
                "links follow the edge relay",
                metadata: ["mode": "\(policy.mode)", "held": "\(policy.isHeld)", "links": "\(entries.count)"])
        }
        if policy.isHeld, !former.isHeld {
            logger.warning("fallback: hold: links are down until the bridge grants reflective relay")
        }
        for vsiID in entries.keys {
            beginAnew(vsiID)
            entries[vsiID]?.fault = nil
            step(vsiID)
        }
    }

    // MARK: Demands

    /// The VSI is associated: its link is to be there and up.
    ///
    /// - Parameters:
    ///   - vsiID: The VSI.
    ///   - demand: What link it is to have.
    ///   - vid: The VLAN that all of its frames belong to, if it is one.
    ///   - then: Hears when it is so, or why it cannot be.
    func raise(_ vsiID: VSIID, _ demand: Demand, vid: UInt16?, then: @escaping (Result<Void, NetlinkError>) -> Void) {
        if case .make(let specification) = demand, let other = vsiOfName[specification.name], other != vsiID {
            return then(
                .failure(
                    NetlinkError(
                        operation: "create \(specification.kind.rawValue) \(specification.name) on \(portName)",
                        kind: .exists, reason: "it belongs to VSI \(other); choose another name with --link")))
        }
        if case .function(let function) = demand { return functions.raise(vsiID, function, vid: vid, then: then) }
        if let former = entries[vsiID], former.demand != demand || former.vid != vid, !former.isBusy, !former.isMade {
            forgetLink(vsiID)
            unregister(vsiID)
        }
        var entry = entries[vsiID] ?? Entry(demand: demand)
        // One that is under way, or made already, keeps its VLAN until it is gone.
        if entry.link == nil, !entry.isBusy { entry.vid = vid }
        entry.demand = demand
        entry.wish = .up
        entry.fault = nil
        entry.corrections = Self.correctionsMax
        entry.closingReports = Self.correctionsMax
        entry.waiting.append(then)
        entries[vsiID] = entry
        register(vsiID, demand)
        step(vsiID)
    }

    /// The VSI is associated no longer: its traffic is to stop, its link to stay for whoever has it open.
    func cut(_ vsiID: VSIID) {
        if functions.holds(vsiID) { return functions.cut(vsiID) }
        guard let entry = entries[vsiID] else { return }
        if entry.isElsewhere, entry.wish == .up, policy.gate == .down {
            trouble(vsiID, "its link is in another network namespace, where evbd cannot set it down: set it down there")
        }
        entries[vsiID]?.wish = .down
        beginAnew(vsiID)
        step(vsiID)
    }

    /// The VSI's manager wants it no more: its link goes.
    func remove(_ vsiID: VSIID, then: @escaping (Result<Void, NetlinkError>) -> Void) {
        if functions.holds(vsiID) { return functions.remove(vsiID, then: then) }
        guard entries[vsiID] != nil else { return then(.success(())) }
        entries[vsiID]?.wish = .absent
        entries[vsiID]?.waitingForEnd.append(then)
        step(vsiID)
    }

    /// Corrections count from the beginning.
    private func beginAnew(_ vsiID: VSIID) {
        entries[vsiID]?.corrections = Self.correctionsMax
        entries[vsiID]?.closingReports = Self.correctionsMax
    }

    /// The port has changed, or is to be looked at for the first time.
    func portChanged() {
        guests.portChanged()
        gate.follow()
        unseen.look()
    }

    /// evbd stops. Links stay as they are, and so do the rules on them and on the port.
    func portCloses() {
        onTrouble = nil
        gate.onMark = nil
    }

    /// The port is evbd's no longer: its rules go, those of its gate not before the last link that they keep out.
    func portLeaves() {
        portCloses()
        guests.lower()
        if gate.closed.hasUnseen { linger() } else { gate.lower() }
    }

    /// The link of a VSI as managers see it; nil while there is none.
    func link(of vsiID: VSIID) -> VSILink? {
        if let name = functions.name(of: vsiID) { return VSILink(name: name) }
        guard let entry = entries[vsiID], let link = entry.link else { return nil }
        return VSILink(
            name: link.name, kind: link.kind.flatMap { LinkKind(rawValue: $0) },
            mode: link.macvlanMode.map { LinkMode($0) })
    }

    static func alias(_ vsiID: VSIID) -> String { aliasPrefix + vsiID.description }

    func trouble(_ vsiID: VSIID, _ text: String) {
        logger.warning("\(text)", metadata: ["vsi": "\(vsiID)"])
        onTrouble?(vsiID, "VSI \(vsiID): \(text)")
    }

    // MARK: Registers

    func register(_ vsiID: VSIID, _ demand: Demand) {
        switch demand {
        case .make(let specification): vsiOfName[specification.name] = vsiID
        case .find(let name, let addresses):
            if let name { vsiOfName[name] = vsiID }
            for address in addresses {
                for key in Self.hardwareAddresses(address) where seekers[key]?.contains(vsiID) != true {
                    seekers[key, default: []].append(vsiID)
                }
            }
        case .function: break
        }
    }

    func unregister(_ vsiID: VSIID) {
        guard let entry = entries[vsiID] else { return }
        switch entry.demand {
        case .make(let specification): forgetName(specification.name, of: vsiID)
        case .find(let name, let addresses):
            if let name { forgetName(name, of: vsiID) }
            for key in addresses.flatMap(Self.hardwareAddresses) {
                seekers[key]?.removeAll { $0 == vsiID }
                if seekers[key]?.isEmpty == true { seekers[key] = nil }
            }
        case .function: break
        }
    }

    private func forgetName(_ name: String, of vsiID: VSIID) {
        if vsiOfName[name] == vsiID { vsiOfName[name] = nil }
    }

    /// The VSI has this link.
    func setLink(_ vsiID: VSIID, _ link: Link) {
        if let former = entries[vsiID]?.link, former.name != link.name, former.name != demandedName(vsiID) {
            forgetName(former.name, of: vsiID)
        }
        entries[vsiID]?.link = link
        entries[vsiID]?.isElsewhere = false
        vsiOfName[link.name] = vsiID
    }

    /// The VSI has no link any more, or the link is its no more. What was set up for it is taken down.
    func forgetLink(_ vsiID: VSIID) {
        guard let entry = entries[vsiID], let link = entry.link else { return }
        if link.name != demandedName(vsiID) { forgetName(link.name, of: vsiID) }
        if let vid = entry.usedVLAN { leaveVLAN(vid) }
        entries[vsiID]?.link = nil
        entries[vsiID]?.isMade = false
        entries[vsiID]?.isElsewhere = false
        entries[vsiID]?.usedVLAN = nil
        entries[vsiID]?.isCut = false
        entries[vsiID]?.wasRaised = false
    }

    private func demandedName(_ vsiID: VSIID) -> String? { entries[vsiID]?.demand.name }

    /// The address as a link of the machine has it, and as libvirt gives it to a tap: there the first octet is FE, so
    /// that a bridge does not take the tap's own address for its own.
    static func hardwareAddresses(_ address: MACAddress) -> [HardwareAddress] {
        [HardwareAddress(address.rawValue), HardwareAddress(address.rawValue & 0x00FF_FFFF_FFFF | 0xFE00_0000_0000)]
    }
}

extension LinkMode {
    /// The mode as managers name it.
    init(_ mode: MacvlanMode) {
        self =
            switch mode {
            case .vepa: .vepa
            case .bridge: .bridge
            case .private: .private
            case .passthru: .passthru
            case .source: .source
            }
    }
}
