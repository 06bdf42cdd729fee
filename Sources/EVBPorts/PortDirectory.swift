package import EVBModel
package import EVBProtocol
package import EVBTime
package import EVBWire
package import LinuxSystem

/// A port, by the side of the link that it plays.
package enum EVBPort {
    case station(any StationPortControl)
    case bridge(any BridgePortControl)

    /// What both sides have.
    package var common: any ManagedPort {
        switch self {
        case .station(let port): port
        case .bridge(let port): port
        }
    }

    package var name: String { common.name }
}

/// The ports of the daemon, as a front door sees them.
package protocol PortDirectory: AnyObject {
    /// All ports, in the order of the configuration.
    var ports: [EVBPort] { get }
    /// The port on an interface; nil if evbd has none there.
    func port(_ interface: String) -> EVBPort?
    /// Finds a machine's link by its address on the S-channels of an interface.
    ///
    /// - Returns: the channel's port, and the VLAN in which the link is there, 0 for none; nil where it is on no channel.
    func place(ofMachine address: MACAddress, on interface: String) -> (port: String, vlan: UInt16)?
}

/// What is known of S-channels.
package protocol ChannelDirectory: AnyObject {
    /// Which channel a port is; nil for one that is none.
    func channel(_ port: String) -> SChannelStatus?
    /// How the interface of a port is divided; nil where it is not.
    func uplink(_ port: String) -> UplinkStatus?
    /// What is wrong with the channel that a port is, or with those of its interface.
    func problems(_ port: String) -> [PortProblem]
    /// The counters of an interface that is divided.
    func counters(_ port: String) -> [Counter: UInt64]
}

/// A station's port, as a front door sees it: VSIs can be requested on it.
package protocol StationPortControl: ManagedPort {
    /// Where the port puts manager IDs of one octet.
    var managerIDPlacement: VSIManagerID.Placement { get }
    /// Whether LLDP knows an EVB bridge at the other end of the link.
    var hasBridge: Bool { get }
    /// What an earlier run of evbd was asked for by libvirt, as far as the bridge has not spoken about it in this run, and
    /// whether the bridge had granted it.
    var restoredForLibvirt: [(request: EVBProtocol.VSIRequest, eventPort: UInt32, isGranted: Bool)] { get }
    /// Closes the address of a machine whose link is not in the port's bridge yet, and is about to be, for as long as the link is there and no
    /// VSI has the address.
    func keepOut(_ address: MACAddress, link index: Int32)
    /// What an earlier run of evbd had asked for by itself, for taps.
    var restoredForTaps: [(vsiID: VSIID, source: TapSource)] { get }
    /// For which tap evbd itself has asked for a VSI; nil for another manager's, and for none.
    func tapSource(of vsiID: VSIID) -> TapSource?
    /// Whether that is what is wanted of a VSI already.
    func isWanted(_ request: EVBProtocol.VSIRequest, for source: TapSource) -> Bool
    /// Some bound VSIs of libvirt that have never had a link which evbd could see. Their machine's end cannot be noticed.
    func vsisWithoutLink(limit: Int) -> [VSIID]
    /// Whether the host has a link with an address of the VSI on this port.
    func hasGuestLink(_ vsiID: VSIID) -> Bool

    /// The host's Open vSwitch says something else of a link, or of the port.
    func switchChanged(_ changed: String)
    /// evbd is connected with the database of an Open vSwitch, or is no more.
    func switchStateChanged()

    /// How far the request for a VSI has come that the bridge has not answered.
    func stage(of vsiID: VSIID) -> AnswerStage

    /// Takes a request for a VSI.
    ///
    /// - Parameters:
    ///   - request: what to ask of the bridge.
    ///   - link: the link to have once the bridge grants the association; nil keeps what an earlier request named.
    ///   - label: the text by which people know the VSI; nil keeps the one it has, an empty text removes it.
    ///   - owner: who asks.
    ///   - reason: why evbd asks by itself, in words with a subject; nil where `Requester.current` does.
    ///   - waiter: called once with the end of the request.
    /// - Throws: nothing has changed then, and `waiter` is not called.
    func request(
        _ request: EVBProtocol.VSIRequest, link: LinkRequest?, label: String?, owner: RequestOwner,
        because reason: String?, waiter: RequestWaiter?) throws(RequestRefusal)
    /// De-associates a VSI.
    ///
    /// - Parameters:
    ///   - vsiID: the VSI.
    ///   - reason: why evbd does so by itself, in words with a subject; nil where `Requester.current` asks for it.
    ///   - waiter: called once the VSI is gone.
    /// - Throws: `unknownVSI`.
    func withdraw(_ vsiID: VSIID, because reason: String?, waiter: RequestWaiter?) throws(VSIRequestError)
    /// Asks the bridge at once for a VSI that was refused, also for good, or whose next try is due later.
    ///
    /// - Throws: nothing has changed then, and `waiter` is not called.
    func retry(_ vsiID: VSIID, waiter: RequestWaiter?) throws(VSIRetryError)
    /// Is told what the exchanges about VSIs come to, all that one frame or one moment brought at once.
    var onTrail: (([VSITrailEntry], Instant) -> Void)? { get set }
    /// That the port is out of service; nil while it is in service.
    var drain: PortDrain? { get }
    /// Takes the port out of service: the bridge is asked to release all VSIs, which stay wanted. Of a port that is drained only
    /// the end changes.
    ///
    /// - Throws: when that cannot be stored; nothing has changed then.
    func drain(seconds: Int) throws(SystemError)
    /// Takes the port back into service.
    func endDrain()
    /// What happens next to a VSI; nil if there is none.
    func outlook(_ vsiID: VSIID) -> VSIOutlook?
}

extension StationPortControl {
    /// Takes a request that leaves the label of the VSI as it is.
    package func request(
        _ request: EVBProtocol.VSIRequest, link: LinkRequest?, owner: RequestOwner, waiter: RequestWaiter?
    ) throws(RequestRefusal) {
        try self.request(request, link: link, label: nil, owner: owner, because: nil, waiter: waiter)
    }
}

/// A bridge's port, as a front door sees it.
package protocol BridgePortControl: ManagedPort {
    /// Changes what the port does wrong on purpose.
    func misbehave(_ misbehaviour: Misbehaviour)
    /// Takes a VSI back from its station, as `Requester.current` wants. The bridge's word is final: the station is not asked.
    func deassociate(byRequest vsiID: VSIID)
}
