package import EVBWire

// Cases that carry a whole link of the kernel's are indirect: a port may have thousands of slots, and of most there is none.

/// The link that is wanted for a VSI.
package enum DesiredLink: Equatable, Sendable {
    /// The manager has given the VSI up.
    case absent
    /// The VSI is not associated. Its link stays for the program that has it open.
    case down(LinkSpec, vlan: UInt16?)
    /// The VSI is associated.
    case up(LinkSpec, vlan: UInt16?)

    package var spec: LinkSpec? {
        switch self {
        case .absent: nil
        case .down(let spec, _), .up(let spec, _): spec
        }
    }

    package var vlan: UInt16? {
        switch self {
        case .absent: nil
        case .down(_, let vlan), .up(_, let vlan): vlan
        }
    }

    package var isUp: Bool { if case .up = self { true } else { false } }

    var isAbsent: Bool { if case .absent = self { true } else { false } }

    /// The same link while its VSI is not associated.
    package var lowered: DesiredLink {
        if case .up(let spec, let vlan) = self { .down(spec, vlan: vlan) } else { self }
    }

    package func with(vlan: UInt16?) -> DesiredLink {
        switch self {
        case .absent: .absent
        case .down(let spec, _): .down(spec, vlan: vlan)
        case .up(let spec, _): .up(spec, vlan: vlan)
        }
    }
}

/// Whose a link is to delete.
package enum Ownership: Equatable, Sendable {
    /// evbd has created it, on the device of that VLAN or on the port itself.
    case created(vlan: UInt16?)
    case adopted
    /// evbd sets it, and cannot delete it.
    case assigned(number: UInt32)

    package var isCreated: Bool { if case .created = self { true } else { false } }

    package var isAssigned: Bool { if case .assigned = self { true } else { false } }
}

/// What evbd has done to a link's frames.
package enum Gate: Sendable, CaseIterable {
    /// The link has not been up while its VSI was associated.
    case neverOpened
    case open
    /// evbd has set the link down.
    case closed
}

/// What the guest filter lets pass of a VSI.
package enum FilterState: Sendable, CaseIterable {
    /// The link has no rules yet.
    case missing
    /// The VSI's addresses do not pass yet.
    case closed
    case open
}

/// The link that a VSI has.
package enum ActualLink: Equatable, Sendable {
    case none(FilterState)
    indirect case here(KernelLink, Ownership, Gate, FilterState)
    /// Out of reach. After a restart nothing is known of it but its name.
    indirect case inOtherNamespace(name: String, Ownership, FilterState)
    /// Not where it was, and it is not known whether it is deleted or in another network namespace.
    indirect case missing(name: String, Ownership)
    /// Its mode cannot be set. In another mode its frames could go where they should not, so that it is kept down.
    indirect case unusable(KernelLink, Ownership, LinkFailure)

    package var link: KernelLink? {
        switch self {
        case .here(let link, _, _, _), .unusable(let link, _, _): link
        case .none, .inOtherNamespace, .missing: nil
        }
    }

    package var ownership: Ownership? {
        switch self {
        case .none: nil
        case .here(_, let ownership, _, _), .inOtherNamespace(_, let ownership, _), .missing(_, let ownership),
            .unusable(_, let ownership, _):
            ownership
        }
    }

    package var name: String? {
        switch self {
        case .none: nil
        case .here(let link, _, _, _), .unusable(let link, _, _): link.name
        case .inOtherNamespace(let name, _, _), .missing(let name, _): name
        }
    }

    package var isNone: Bool { if case .none = self { true } else { false } }

    /// What the guest filter lets pass; nil where that is of no concern.
    var filter: FilterState? {
        switch self {
        case .none(let filter), .here(_, _, _, let filter), .inOtherNamespace(_, _, let filter): filter
        case .missing, .unusable: nil
        }
    }

    package var isElsewhere: Bool { if case .inOtherNamespace = self { true } else { false } }

    /// The same with what is known of the link and the guest filter now.
    package func with(_ link: KernelLink) -> ActualLink {
        switch self {
        case .here(_, let ownership, let gate, let filter): .here(link, ownership, gate, filter)
        case .unusable(_, let ownership, let failure): .unusable(link, ownership, failure)
        case .none, .inOtherNamespace, .missing: self
        }
    }

    package func with(filter: FilterState) -> ActualLink {
        switch self {
        case .none: .none(filter)
        case .here(let link, let ownership, let gate, _): .here(link, ownership, gate, filter)
        case .inOtherNamespace(let name, let ownership, _): .inOtherNamespace(name: name, ownership, filter)
        case .missing, .unusable: self
        }
    }

    package func with(gate: Gate) -> ActualLink {
        if case .here(let link, let ownership, _, let filter) = self {
            .here(link, ownership, gate, filter)
        } else {
            self
        }
    }
}

/// How often another process may spoil a link before evbd leaves it so. A request and news of the bridge refill it.
package enum RetryBudget: Equatable, Sendable {
    case left(UInt8)
    case exhausted

    package static let full = RetryBudget.left(5)

    package enum Spending {
        case granted
        /// The budget has just run out.
        case refusedFirst
        case refused
    }

    package mutating func spend() -> Spending {
        switch self {
        case .left(let count) where count > 0:
            self = .left(count - 1)
            return .granted
        case .left:
            self = .exhausted
            return .refusedFirst
        case .exhausted: return .refused
        }
    }
}

/// One step towards what is wanted.
package enum LinkOperation: Equatable, Sendable {
    indirect case create(LinkSpec, vlan: UInt16?, RelayMode)
    case delete(index: Int32)
    /// Asks the kernel how the link is, after all that was asked for before.
    case look(index: Int32)
    /// Asks the kernel in which network namespace a link is that evbd has created.
    indirect case locate(name: String)
    case setMode(index: Int32, RelayMode)
    case setMTU(index: Int32, UInt32)
    /// Keeps the host's own IP off the link.
    case keepFromHost(index: Int32)
    /// Waits for the guest filter's rules of the link.
    case installFilter(index: Int32)
    /// Waits until the VSI's addresses pass the guest filter.
    case openAddresses
    case setUp(index: Int32, Bool)
    /// Changes an assigned link in place, up and down included.
    indirect case adjust(number: UInt32, LinkSettings)
    /// Makes an assigned link one that no VSI has.
    indirect case reset(number: UInt32, LinkSettings)

    /// What a backend can have.
    package enum Kind: Sendable, CaseIterable {
        case create, delete, look, locate, setMode, setMTU, keepFromHost, installFilter, openAddresses, setUp, adjust,
            reset
    }

    package var kind: Kind {
        switch self {
        case .create: .create
        case .delete: .delete
        case .look: .look
        case .locate: .locate
        case .setMode: .setMode
        case .setMTU: .setMTU
        case .keepFromHost: .keepFromHost
        case .installFilter: .installFilter
        case .openAddresses: .openAddresses
        case .setUp: .setUp
        case .adjust: .adjust
        case .reset: .reset
        }
    }

    /// Whether it is more than a question or a wait.
    var changesLink: Bool {
        switch self {
        case .look, .locate, .installFilter, .openAddresses: false
        case .create, .delete, .setMode, .setMTU, .keepFromHost, .setUp, .adjust, .reset: true
        }
    }
}

/// How an operation has ended.
package enum LinkResult: Equatable, Sendable {
    /// The link after the operation, and whose it is if it is new.
    case link(KernelLink, Ownership? = nil)
    /// There is no such link.
    case gone
    /// The link is in another network namespace.
    case elsewhere
    case done
    case failed(LinkFailure)
}

/// What is known of one VSI's link, and what is under way for it.
package struct LinkSlot: Equatable, Sendable {
    /// What is under way; at most one for each link.
    package struct Running: Equatable, Sendable {
        package var operation: LinkOperation
        /// The kernel has told of the link since.
        var hasStaleNews = false
        /// A network namespace has ended since.
        var hasLostNamespace = false
        /// The port's card is another since.
        var hasLostCard = false
    }

    package var desired: DesiredLink
    package var actual = ActualLink.none(.open)
    // A slot that changes it has it alone, or copies it first.
    nonisolated(unsafe) private var kept: Kept?

    /// What those have whose link is there, or is being made. Nearly all VSIs have a link of another process that is not there, or is as it is
    /// to be, those of tens of thousands.
    private struct Details: Equatable, Sendable {
        var running: Running?
        var made: Made?
        var discarded: Int32?
        var retries = RetryBudget.full
        var closingReports = RetryBudget.full
        var failureCount: UInt8 = 0
        var isResumed = false

        static let usual = Details()
    }

    private final class Kept {
        var details: Details

        init(_ details: Details) { self.details = details }
    }

    private mutating func change(_ body: (inout Details) -> Void) {
        if !isKnownUniquelyReferenced(&kept) { kept = Kept(kept?.details ?? .usual) }
        guard let kept else { return }
        body(&kept.details)
        // Equal ones are kept alike.
        if kept.details == .usual { self.kept = nil }
    }

    package static func == (left: LinkSlot, right: LinkSlot) -> Bool {
        left.desired == right.desired && left.actual == right.actual
            && (left.kept === right.kept || left.kept?.details == right.kept?.details)
    }

    package var running: Running? {
        get { kept?.details.running }
        set { if newValue != nil || running != nil { change { $0.running = newValue } } }
    }

    /// A link that is gone, though the view may have it still.
    package var discarded: Int32? {
        get { kept?.details.discarded }
        set { if newValue != discarded { change { $0.discarded = newValue } } }
    }

    package var retries: RetryBudget {
        get { kept?.details.retries ?? .full }
        set { if newValue != retries { change { $0.retries = newValue } } }
    }

    /// How often evbd still logs that it closes the link again. Closing has no limit.
    var closingReports: RetryBudget {
        get { kept?.details.closingReports ?? .full }
        set { if newValue != closingReports { change { $0.closingReports = newValue } } }
    }

    /// The run before has left it, and neither bridge nor manager has spoken since.
    var isResumed: Bool {
        get { kept?.details.isResumed ?? false }
        set { if newValue != isResumed { change { $0.isResumed = newValue } } }
    }

    /// Operations in a row that the kernel has refused, as far as they are counted: 16 at most.
    package var failures: Int {
        get { Int(kept?.details.failureCount ?? 0) }
        set { if newValue != failures { change { $0.failureCount = UInt8(clamping: newValue) } } }
    }

    /// What the created link is for; nil where it is not known, as after a restart.
    var made: Made? {
        get { kept?.details.made }
        set { if newValue != made { change { $0.made = newValue } } }
    }

    /// What a link was created for.
    package struct Made: Equatable, Sendable {
        var spec: LinkSpec
        /// The VLAN that was asked for; on a kernel without VLAN devices the link is on the port all the same.
        var vlan: UInt16?

        func serves(_ spec: LinkSpec, _ vlan: UInt16?) -> Bool { self.spec.isSameLink(as: spec) && self.vlan == vlan }
    }

    package init(_ desired: DesiredLink) { self.desired = desired }

    /// How the link is treated that is there, or that is wanted; nil where neither is known.
    package var origin: LinkSpec.Origin? {
        switch actual.ownership {
        case .created: .created
        case .adopted: .found
        case .assigned(let number): .assigned(number: number, priority: nil)
        case nil: desired.spec?.origin
        }
    }

    /// The index of the link; nil where none is here, and of one that is no link of the host.
    package var index: Int32? { actual.link.flatMap { $0.index > 0 ? $0.index : nil } }

    /// The VLAN whose device the link is on, or is being created on.
    var usedVLAN: UInt16? {
        if case .created(let vlan?) = actual.ownership { return vlan }
        if case .create(_, let vlan?, _) = running?.operation { return vlan }
        return nil
    }

    /// Whether there is no link, none is being created, and none of a certain name is wanted: as of nearly all VSIs whose links other
    /// processes make, of tens of thousands.
    var isBare: Bool {
        guard actual.isNone, desired.spec?.name == nil else { return false }
        if case .create = running?.operation { return false }
        return true
    }

    /// The names that no other VSI's link may have.
    var names: LinkNames {
        let created = if case .create(let spec, _, _) = running?.operation { spec.name } else { String?.none }
        return LinkNames(wanted: desired.spec?.name, actual: actual.name, created: created)
    }

    /// The addresses by which a link of another process is found.
    var soughtAddresses: LinkAddresses {
        guard let spec = desired.spec, spec.origin == .found else { return [] }
        return spec.addresses
    }

    /// One more refusal. Even and odd ones keep their turns, for what is tried by turns.
    mutating func countFailure() { failures = failures < 16 ? failures + 1 : 15 }

    /// Whether an operation only closes a link that could not be reset.
    func isClosingMeanwhile(_ operation: LinkOperation) -> Bool {
        if case .adjust = operation { desired == .absent && failures > 0 } else { false }
    }

    /// Whether an assigned link is wanted no more and could not be reset. Another VSI may have it, and sets all of it.
    package var isLingering: Bool { desired == .absent && failures > 0 && actual.ownership?.isAssigned == true }

    /// Whether evbd has created the link, or is creating it.
    package var isCreated: Bool {
        if case .create = running?.operation { return true }
        return actual.ownership?.isCreated ?? false
    }
}

/// Up to three names of a link, each once. Not a set: they are compared at each step of each link.
struct LinkNames: Equatable {
    /// The name that is wanted; then that of the link and that of the one being created, where they are others.
    private let first, second, third: String?

    init(wanted: String?, actual: String?, created: String?) {
        first = wanted
        second = actual == wanted ? nil : actual
        third = created == wanted || created == actual ? nil : created
    }

    static let none = LinkNames(wanted: nil, actual: nil, created: nil)

    func contains(_ name: String) -> Bool { name == first || name == second || name == third }

    func forEach(_ body: (String) -> Void) {
        if let first { body(first) }
        if let second { body(second) }
        if let third { body(third) }
    }
}

/// What the machine wants to have done.
package enum RelayEffect: Equatable, Sendable {
    case submit(VSIID, LinkOperation)
    /// The link is as wanted, or cannot be.
    case settled(VSIID, LinkFailure?)
    /// The link is gone, also where another is wanted by now.
    case removed(VSIID)
    case report(VSIID, LinkReport)
    /// What is stored of the VSI's link has changed.
    case store(VSIID)
    /// An adopted link is the VSI's no more.
    case handBack(VSIID, index: Int32)
    /// A link of a VSI that was given up is back: it is to be deleted.
    case discard(VSIID, KernelLink)
    /// No link is on the device of that VLAN any more.
    case vlanUnused(UInt16)
    /// `observe(.retry)` is to be called later, the later the more operations have failed.
    case retryLater(VSIID, failures: Int)
}

/// What is worth a line in the log.
package enum LinkReport: Equatable, Sendable {
    case adopted(KernelLink)
    case replaced(name: String)
    case departed(name: String)
    case returned(KernelLink)
    /// The VSI is not associated any more, and its link cannot be set down.
    case outOfReach
    case renamed(from: String, to: String)
    case corrected(KernelLink)
    case closedAgain(KernelLink)
    case keepsBeingOpened(name: String)
    case keepsBeingChanged(name: String)
    case deleted(name: String)
    case keepsBeingDeleted(name: String)
    case wentWithPort(name: String)
    case adoptedIsGone(name: String)
    case modeRefused(LinkFailure)
    case adjustmentFailed(LinkFailure)
    case failed(LinkFailure)
}

/// What a driver has heard.
package enum LinkNews: Equatable, Sendable {
    /// A link has changed, or is gone. `owner` is the VSI that evbd has created it for.
    case link(name: String, address: MACAddress?, owner: VSIID?, KernelLink?)
    /// The port, or what links are on, has changed.
    case port
    case policy(LinkPolicy)
    /// The port is another device now, or none: what was set on its card is lost.
    case portReplaced
    /// The time to try again has come.
    case retry(VSIID)
    /// A network namespace has ended, and with it the links that were in it.
    case namespaceEnd
}
