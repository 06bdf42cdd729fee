internal import EVBProtocol
internal import EVBWire
internal import EventLoop
internal import LinuxSystem
internal import Logging
internal import Netlink
internal import PacketSocket

/// What all ports share.
struct PortSurroundings {
    let loop: EventLoop
    let timers: Timers
    let table: LinkTable
    let programmer: LinkProgrammer
    let guestFilter: GuestFilter
    let logger: Logger
    /// The directory for what lives until the next boot.
    let runtimeDirectory: String
    let store: VSIStore
    let resources: ResourcePool
}

/// What a port has of its interface, whichever side of the link it plays: it follows the interface, hears and sends frames
/// on it, and bounds the log lines that a peer can cause.
final class PortTransport {
    /// How long nothing more is said of a flood.
    private static let floodSilence = Interval.seconds(10)

    /// How the interface stands.
    enum Interface {
        case absent
        /// - link: what the kernel says of it.
        /// - isUp: whether frames pass.
        /// - isAnother: whether it has the name of one that was there before, and is another.
        case present(_ link: Link, isUp: Bool, isAnother: Bool)
    }

    let name: String
    let surroundings: PortSurroundings
    var logger: Logger
    /// Called with each frame that can be read.
    var onFrame: ((Frame) -> Void)?
    /// Called for each that cannot, with where it was sent to, if that can be read.
    var onUnreadable: ((WireError, MACAddress?) -> Void)?
    /// When the port, and with it all of its counters, began.
    let createdAt: Instant

    /// The time of the loop that the neighbour may take.
    let share: LoopShare
    /// Hears whoever is not the neighbour, and sends.
    private var listener: PortListener?
    /// Hears the EVB neighbour, once it is known, and nobody before.
    private var neighbourListener: PortListener?
    private var heard: EVBPeer?
    private var neighbour: [HardwareAddress] = []
    /// Whose ECP is taken.
    private var ecpSource: PortConfiguration.ECP.Source
    /// How the sockets have been opened.
    private var opening: Opening?
    /// What the frames sent are to be known by on this host, while the guest filter is at the port.
    private var mark: UInt32?

    private struct Opening: Equatable {
        let index: Int32
        let tapsAll: Bool
        let mark: UInt32?
        let ecpSource: PortConfiguration.ECP.Source
    }

    /// Lines about the port and its peer, and lines about VSIs, of which a flap brings one or two for each.
    private var portBudget = LogBudget(burst: 20, perSecond: 1)
    private var vsiBudget = LogBudget(burst: 40_000, perSecond: 100)
    /// When it was last told that more frames come than are taken.
    private var floodTold: Instant?
    private(set) var sendFailures: UInt64 = 0
    /// Frames that the kernel has dropped for sockets that are closed now.
    private var formerKernelDrops: UInt64 = 0

    /// Hears nothing before `follow` is called.
    init(_ configuration: PortConfiguration, _ surroundings: PortSurroundings) {
        name = configuration.interface
        ecpSource = configuration.ecp.source
        self.surroundings = surroundings
        share = LoopShare(of: surroundings.resources.portCount)
        createdAt = surroundings.timers.now
        var logger = surroundings.logger
        logger[metadataKey: "port"] = "\(name)"
        self.logger = logger
        if link == nil { logger.notice("the interface is not there yet; waiting for it") }
    }

    var now: Instant { surroundings.timers.now }

    /// A queue for what the neighbour gives to do, whose time is taken from the neighbour's share.
    func workQueue<Work>(_ body: @escaping (Work) -> Void) -> WorkQueue<Work> {
        let queue = WorkQueue(loop: surroundings.loop, body)
        queue.onSpent = { [share, timers = surroundings.timers] in
            share.spend(Interval(nanoseconds: $0), at: timers.now)
        }
        return queue
    }

    /// The interface, while it is there.
    var link: Link? { surroundings.table[name] }

    /// Frames that the kernel has dropped because more came than the port takes.
    var kernelDrops: UInt64 {
        formerKernelDrops &+ (listener?.kernelDrops ?? 0) &+ (neighbourListener?.kernelDrops ?? 0)
    }

    /// Opens the sockets that the interface needs as it is now, or closes those that there are, and tells how it stands.
    func follow() -> Interface {
        guard let link else {
            if listener != nil { logger.warning("the interface is gone; waiting for it to come back") }
            close()
            return .absent
        }
        let isAnother = opening.map { $0.index != link.index } ?? false
        open(link)
        return .present(link, isUp: link.isUp && link.hasCarrier && listener != nil, isAnother: isAnother)
    }

    /// Opens sockets as they are to be for a link, unless they are.
    private func open(_ link: Link) {
        // A bridge takes frames to group addresses for itself before a socket of one EtherType sees them, and so does the guest
        // filter.
        let wanted = Opening(
            index: link.index, tapsAll: link.masterIndex != nil || mark != nil, mark: mark, ecpSource: ecpSource)
        guard wanted != opening else { return }
        close()
        do {
            opening = wanted
            let allowance: PortListener.Allowance = ecpSource == .any ? .neighbour : .others
            listener = try listen(neighbour.isEmpty ? .any : .except(neighbour), allowance)
            // Also while there is no neighbour: to close a socket takes the kernel some milliseconds.
            neighbourListener = try listen(.only(neighbour), .neighbour)
        } catch {
            close()
            logger.error(
                "the interface cannot be listened on; evbd needs CAP_NET_RAW", metadata: ["error": "\(error)"])
        }
    }

    private func listen(
        _ sources: FrameSources, _ allowance: PortListener.Allowance
    ) throws(SystemError) -> PortListener? {
        guard let opening else { return nil }
        // The draft's ECP goes to an address of its own.
        let groups = [MACAddress.nearestCustomerBridge, .nearestBridge].map { HardwareAddress($0.rawValue) }
        let socket = try PacketSocket(
            interfaceIndex: opening.index, etherTypes: [EtherType.lldp, EtherType.ecp, EtherType.draftECP],
            groups: groups, sources: sources, tap: opening.tapsAll ? .everything : .protocols, mark: opening.mark)
        let who = allowance == .neighbour ? "the neighbour" : "others than the neighbour"
        return try PortListener(
            socket, allowance, share: allowance == .neighbour ? share : nil, loop: surroundings.loop,
            timers: surroundings.timers,
            take: { [weak self] in self?.take($0) },
            onFlood: { [weak self] in self?.tellOfFlood(from: who) })
    }

    /// Says it once in a while: what else there is to be told of the port is to have its place in the log.
    private func tellOfFlood(from who: String) {
        if let floodTold, now.since(floodTold) < Self.floodSilence { return }
        floodTold = now
        log(.warning, "more frames come from \(who) than are taken: see SocketKernelDrops of evbctl stats")
    }

    /// From now on frames bear this mark, and are heard before rules at the port are asked; nil ends it.
    func setMark(_ mark: UInt32?) {
        self.mark = mark
        if let link, listener != nil { open(link) }
    }

    /// Takes ECP from these from now on.
    func setSource(_ source: PortConfiguration.ECP.Source) {
        ecpSource = source
        if let link, listener != nil { open(link) }
    }

    /// Hears the EVB neighbour apart from all others.
    ///
    /// - Parameter peer: the neighbour; nil while there is none.
    func setNeighbour(_ peer: EVBPeer?) {
        guard peer != heard else { return }
        heard = peer
        let addresses = peer?.addresses.map { HardwareAddress($0.rawValue) } ?? []
        guard addresses != neighbour else { return }
        neighbour = addresses
        guard let listener, let neighbourListener else { return }
        do {
            // What comes twice meanwhile does no harm.
            if !addresses.isEmpty { try neighbourListener.socket.narrow(to: .only(addresses)) }
            try listener.socket.narrow(to: addresses.isEmpty ? .any : .except(addresses))
            if addresses.isEmpty { try neighbourListener.socket.narrow(to: .only([])) }
        } catch {
            // As if the interface had been gone for a moment.
            opening = nil
            if let link { open(link) }
        }
    }

    private func close(_ listener: PortListener?) {
        guard let listener else { return }
        formerKernelDrops &+= listener.kernelDrops
        listener.close()
    }

    /// Stops listening.
    func close() {
        close(listener)
        close(neighbourListener)
        listener = nil
        neighbourListener = nil
        opening = nil
    }

    private func take(_ octets: UnsafeRawBufferPointer) {
        do throws(WireError) {
            onFrame?(try Frame(decoding: octets))
        } catch {
            onUnreadable?(error, Frame.destination(of: octets))
            logger.trace("frame discarded", metadata: ["error": "\(error)"])
        }
    }

    /// Sends a frame; one that cannot be sent is counted.
    func send(_ frame: Frame) {
        guard let socket = listener?.socket else { return }
        do {
            try frame.encoded().withUnsafeBytes { try socket.send($0) }
        } catch {
            // As if it were lost on the wire; ECP and LLDP send again.
            sendFailures &+= 1
            logger.debug("sending failed", metadata: ["error": "\(error)"])
        }
    }

    /// Logs what the peer may have caused, as long as it does not cause too much of it.
    func log(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata = [:], isAboutVSI: Bool = false) {
        let verdict = isAboutVSI ? vsiBudget.take(at: now) : portBudget.take(at: now)
        guard verdict.isAllowed else { return }
        if verdict.suppressed > 0 {
            logger.warning("log lines were left out", metadata: ["count": "\(verdict.suppressed)"])
        }
        logger.log(level: level, "\(message)", metadata: metadata)
    }
}
