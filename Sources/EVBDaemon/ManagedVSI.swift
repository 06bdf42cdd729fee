internal import EVBControl
internal import EVBProtocol
internal import EVBWire
internal import LinuxSystem

/// What the daemon keeps of a VSI beside what the protocol does: its link, and who waits for it.
struct ManagedVSI {
    /// The link to have when the bridge grants the association; nil for one of the manager's own, if there is one.
    var link: EdgeRelay.Demand?
    /// Who asked for it last.
    var owner: Owner
    /// Those who are to hear how the request under way ends.
    var waiters: [Waiter] = []
    /// Which request or withdrawal this is, so that what was begun for an earlier one does not end a later one.
    var turn: UInt64 = 0
    /// An earlier run of evbd was asked for it, and the bridge has not spoken about it in this one.
    var isRestored = false
    /// It is stored as one that the bridge has granted.
    var isStoredAsGranted = false
    /// The netlink port where libvirt waits for events about it; 0 for other managers.
    var eventPort: UInt32 = 0
    /// What worked before the request, until its link is settled: what the kernel refuses does not end it.
    var working: Working?
    /// The bridge has granted the request, and `waiters` wait for the link alone.
    var isLinking = false

    /// A request whose VSI is associated and has its link.
    struct Working {
        var request: EVBProtocol.VSIRequest
        var link: EdgeRelay.Demand?
        var owner: Owner
        var eventPort: UInt32
    }

    /// Who wants a VSI.
    enum Owner: Equatable {
        /// Somebody on the control socket.
        case control
        /// A libvirtd, by netlink.
        case libvirt
    }

    /// Called once with the end of a request.
    typealias Waiter = (Ending) -> Void

    /// How a request ended, the link included.
    enum Ending {
        case outcome(RequestOutcome)
        /// The bridge granted it and the link could not be made.
        case linkFailed(link: String, cause: String)
    }
}

/// Why a port does not take a request.
enum RequestRefusal: Error {
    /// It cannot be asked of any bridge, or not now.
    case unfit(VSIRequestError)
    /// It cannot be stored, and a restart of evbd would lose it.
    case unstored(SystemError)
}

/// Something that happened on a port, for those who follow it.
struct PortNews {
    var kind: ControlEvent.Kind
    var vsiID: VSIID?
    var from: String?
    var to: String?
    var reason: String?
    var message: String
}
