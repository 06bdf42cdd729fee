// What the control server asks of the daemon: one call with a typed request, answered at once or later.

public import EVBControl

/// A call to io.evbd that has been read and checked.
public enum ControlRequest: Sendable, Equatable {
    /// Answer with ``ControlReply/version(_:)``.
    case getVersion
    /// Answer with ``ControlReply/status(_:)``.
    case getStatus
    /// Answer with ``ControlReply/ports(_:)``.
    case listPorts
    /// Answer with ``ControlReply/port(_:)``.
    case getPort(interface: String)
    /// Answer by ``ControlReplyHandle/answer(vsis:)``.
    case listVSIs(port: String?, state: VSIState?)
    /// Answer with ``ControlReply/vsiDetails(_:)``.
    case getVSI(vsiID: String)
    /// Answer with ``ControlReply/vsi(_:)``, within the wait that the request gives.
    case associate(VSIRequest)
    /// As ``associate(_:)``; the request tells whether to reserve.
    case preAssociate(VSIRequest)
    /// Answer with ``ControlReply/vsi(_:)``, within the wait that the request gives.
    case deassociate(DeassociateRequest)
    /// Keep the handle, and ``ControlReplyHandle/send(_:)`` every event until it is gone.
    case monitor
    /// Answer with ``ControlReply/statistics(_:)``.
    case getStatistics(interface: String?)
    /// Answer with ``ControlReply/port(_:)``.
    case misbehave(MisbehaveRequest)
}

/// An answer to a request, other than a list of VSIs or an event.
public enum ControlReply: Sendable, Equatable {
    case version(VersionReport)
    case status(StatusReport)
    case ports([PortStatus])
    case port(PortDetails)
    case vsi(VSIStatus)
    case vsiDetails(VSIDetails)
    case statistics([StatisticsReport])
}

/// What does the work behind the control socket.
///
/// Called on the thread of the loop. It must not block: what takes time keeps the handle and answers later.
public protocol ControlService: AnyObject {
    /// Does what a request asks, or sees to it that it is done.
    ///
    /// - Parameters:
    ///   - request: what is asked.
    ///   - peer: who asks, as the kernel said when the client connected.
    ///   - reply: where the answer goes, now or later; it has to be answered or failed in the end.
    func handle(_ request: ControlRequest, from peer: PeerCredentials, reply: ControlReplyHandle)
}
