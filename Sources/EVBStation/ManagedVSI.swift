internal import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBTime
internal import EVBWire
internal import EdgeRelays

/// What the daemon keeps of a VSI beside what the protocol does: its link, and who waits for it.
///
/// There may be tens of thousands: what few of them have is apart (`Seldom`), and what many have alike is shared.
package struct ManagedVSI {
    /// The link to have when the bridge grants the association; nil for one of the manager's own, if there is one.
    var link: EdgeRelay.Demand?
    /// The process that asked for it last; nil where evbd itself did.
    var requester: SharedRequester?
    @Boxed private var seldom: Seldom?
    /// How far the latest request or withdrawal is.
    var phase = Phase.settled
    /// It is stored as one that the bridge has granted.
    var isStoredAsGranted = false
    /// evbd has withdrawn it because its link was gone, and libvirt has nothing to hear of that.
    package internal(set) var isGivenBack = false
    /// It is associated, and its link was down when it was to be announced.
    var isUnannounced = false
    /// Which request or withdrawal this is, so that what was begun for an earlier one does not end a later one.
    var turn: UInt32 = 0
    /// Who asked for it last.
    var owner: RequestOwner
    /// What is known of the link that libvirt has made for it.
    var guestLink: GuestLinkSight {
        get { sight.value }
        set { sight = PackedSight(newValue) }
    }
    private var sight = PackedSight(.neverSeen)

    init(link: EdgeRelay.Demand?, owner: RequestOwner) {
        self.link = link
        self.owner = owner
    }

    /// All that wait for an end.
    var allWaiters: [RequestWaiter] {
        guard let retryWaiter else { return phase.waiter.map { [$0] } ?? [] }
        return phase.waiter.map { [$0, retryWaiter] } ?? [retryWaiter]
    }

    /// Another request or a withdrawal is under way. Those who wait for the former one are the caller's to tell.
    mutating func begin(_ turn: UInt32, by requester: SharedRequester?, _ waiter: RequestWaiter?) {
        self.turn = turn
        self.requester = requester
        phase = .asking(Phase.Waiter(waiter))
        retryWaiter = nil
    }

    /// Its request has ended.
    ///
    /// - Returns: those who have waited for that.
    mutating func end() -> [RequestWaiter] {
        defer {
            retryWaiter = nil
            if !phase.isRestored { phase = .settled }
        }
        return allWaiters
    }

    /// How far a request or a withdrawal is, and who is to hear its end.
    enum Phase {
        /// An earlier run of evbd was asked for the VSI, and the bridge has not spoken about it in this one.
        case restored
        /// The bridge has not answered.
        case asking(Waiter)
        /// The bridge has granted the request, and the link is being opened.
        case openingLink(Waiter)
        case settled

        /// Who is to hear the end. It has memory of its own: of tens of thousands of VSIs few have a request under way.
        struct Waiter {
            @Boxed private(set) var call: RequestWaiter?

            init(_ call: RequestWaiter?) { _call = Boxed(wrappedValue: call) }

            var isThere: Bool { _call.isThere }
        }

        /// Who is to hear the end, with the memory that it has.
        var held: Waiter {
            switch self {
            case .asking(let waiter), .openingLink(let waiter): waiter
            case .restored, .settled: Waiter(nil)
            }
        }

        var waiter: RequestWaiter? { held.call }

        /// Whether the end of a request, which is still to come, brings the link up. Each request has an end, also where no client waits for it.
        var bringsLinkUp: Bool {
            switch self {
            case .asking: true
            case .openingLink(let waiter): waiter.isThere
            case .restored, .settled: false
            }
        }

        var isRestored: Bool { if case .restored = self { true } else { false } }

        var isOpeningLink: Bool { if case .openingLink = self { true } else { false } }
    }

    /// What is known of a link that libvirt makes and deletes.
    enum GuestLinkSight: Equatable {
        /// A virtual function has no link on the host.
        case neverSeen
        case present
        case gone(since: Instant)
    }

    /// The same in eight octets. The clock does not come to the last nanoseconds of its range, which stand for what is no moment.
    private struct PackedSight {
        private let nanoseconds: UInt64

        private static let neverSeen = UInt64.max
        private static let present = UInt64.max - 1

        init(_ sight: GuestLinkSight) {
            nanoseconds =
                switch sight {
                case .neverSeen: Self.neverSeen
                case .present: Self.present
                case .gone(let since): min(since.nanoseconds, Self.present - 1)
                }
        }

        var value: GuestLinkSight {
            switch nanoseconds {
            case Self.neverSeen: .neverSeen
            case Self.present: .present
            default: .gone(since: Instant(nanoseconds: nanoseconds))
            }
        }
    }

    /// What few VSIs have.
    private struct Seldom {
        var label: String?
        var formerType: String?
        var loggedRefusal: EVBProtocol.VSIReason?
        var retryWaiter: RequestWaiter?
        var reported: Set<VSIWarning.Kind> = []
        @Boxed var working: Working?

        var isEmpty: Bool {
            label == nil && formerType == nil && loggedRefusal == nil && retryWaiter == nil && reported.isEmpty
                && working == nil
        }
    }

    /// Whether it takes room of its own for what few have.
    var hasSeldom: Bool { _seldom.isThere }

    /// `isNothing` where what few have is set to what the others have.
    private mutating func changeSeldom(_ isNothing: Bool, _ change: (inout Seldom) -> Void) {
        if isNothing, !hasSeldom { return }
        var changed = seldom ?? Seldom()
        change(&changed)
        seldom = changed.isEmpty ? nil : changed
    }

    /// A request whose VSI is associated and has its link.
    struct Working {
        var request: EVBProtocol.VSIRequest
        var link: EdgeRelay.Demand?
        var owner: RequestOwner
    }
}

// What few VSIs have.
extension ManagedVSI {
    /// The text by which people know it.
    var label: String? {
        get { seldom?.label }
        set { changeSeldom(newValue == nil) { $0.label = newValue } }
    }

    /// The type that it had before the request under way, where that asks for another one.
    var formerType: String? {
        get { seldom?.formerType }
        set { changeSeldom(newValue == nil) { $0.formerType = newValue } }
    }

    /// The reason of the last refusal that was logged as one; nil once the VSI is bound, or asked for by another request.
    var loggedRefusal: EVBProtocol.VSIReason? {
        get { seldom?.loggedRefusal }
        set { changeSeldom(newValue == nil) { $0.loggedRefusal = newValue } }
    }

    /// Called with the end of a retry by hand. Its VSI goes on as one that is tried again by itself: its manager hears of it as
    /// of any other late success.
    var retryWaiter: RequestWaiter? {
        get { seldom?.retryWaiter }
        set { changeSeldom(newValue == nil) { $0.retryWaiter = newValue } }
    }

    /// The warnings that were reported since the VSI is known.
    var reported: Set<VSIWarning.Kind> {
        get { seldom?.reported ?? [] }
        set { changeSeldom(newValue.isEmpty) { $0.reported = newValue } }
    }

    /// What worked before the request, until its link is settled: what the kernel refuses does not end it.
    var working: Working? {
        get { seldom?.working }
        set { changeSeldom(newValue == nil) { $0.working = newValue } }
    }
}

/// A process that asked for VSIs. Those that it asked for one after the other share it.
final class SharedRequester {
    let value: Requester
    /// As histories have it.
    private(set) lazy var words = value.words

    private init(_ value: Requester) { self.value = value }

    /// `requester`, which is `last` once more where that is the same.
    static func shared(_ requester: Requester?, last: inout SharedRequester?) -> SharedRequester? {
        guard let requester else { return nil }
        if let last, last.value == requester { return last }
        let other = SharedRequester(requester)
        last = other
        return other
    }
}
