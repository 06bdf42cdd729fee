internal import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBTime
internal import EVBWire
internal import EdgeRelays

/// What the daemon keeps of a VSI beside what the protocol does: its link, and who waits for it.
package struct ManagedVSI {
    /// The link to have when the bridge grants the association; nil for one of the manager's own, if there is one.
    var link: EdgeRelay.Demand?
    /// Who asked for it last.
    var owner: RequestOwner
    /// The text by which people know it.
    var label: String?
    /// The type that it had before the request under way, where that asks for another one.
    var formerType: String?
    /// The process that asked for it last; nil where evbd itself did.
    var requester: Requester?
    /// The reason of the last refusal that was logged as one; nil once the VSI is bound, or asked for by another request.
    var loggedRefusal: EVBProtocol.VSIReason?
    /// How far the latest request or withdrawal is.
    var phase = Phase.settled
    /// Called with the end of a retry by hand. Its VSI goes on as one that is tried again by itself: its manager hears of it as
    /// of any other late success.
    var retryWaiter: RequestWaiter?
    /// All that wait for an end.
    var allWaiters: [RequestWaiter] { [phase.waiter, retryWaiter].compactMap(\.self) }
    /// Which request or withdrawal this is, so that what was begun for an earlier one does not end a later one.
    var turn: UInt64 = 0
    /// It is stored as one that the bridge has granted.
    var isStoredAsGranted = false
    /// The warnings that were reported since the VSI is known.
    var reported: Set<VSIWarning.Kind> = []
    /// What worked before the request, until its link is settled: what the kernel refuses does not end it.
    @Boxed var working: Working?
    /// What is known of the link that libvirt has made for it.
    var guestLink = GuestLinkSight.neverSeen
    /// evbd has withdrawn it because its link was gone, and libvirt has nothing to hear of that.
    package internal(set) var isGivenBack = false

    /// How far a request or a withdrawal is, and who is to hear its end.
    enum Phase {
        /// An earlier run of evbd was asked for the VSI, and the bridge has not spoken about it in this one.
        case restored
        /// The bridge has not answered.
        case asking(RequestWaiter?)
        /// The bridge has granted the request, and the link is being opened.
        case openingLink(RequestWaiter?)
        case settled

        var waiter: RequestWaiter? {
            switch self {
            case .asking(let waiter), .openingLink(let waiter): waiter
            case .restored, .settled: nil
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

    /// A request whose VSI is associated and has its link.
    struct Working {
        var request: EVBProtocol.VSIRequest
        var link: EdgeRelay.Demand?
        var owner: RequestOwner
    }
}
