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
}

/// What a port has of its interface, whichever side of the link it plays: it follows the interface, hears and sends frames
/// on it, and bounds the log lines that a peer can cause.
final class PortTransport {
    /// Frames taken from one socket before others have their turn.
    private static let framesPerTurn = 64

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

    private var socket: PacketSocket?
    private var socketIndex: Int32?
    private var socketTapsAll = false
    /// What the frames sent are to be known by on this host, while the guest filter is at the port.
    private var mark: UInt32?
    private var socketMark: UInt32?
    private var watches: [EventLoop.Watch] = []
    /// Lines about the port and its peer, and lines about VSIs, of which a flap brings one or two for each.
    private var portBudget = LogBudget(burst: 20, perSecond: 1)
    private var vsiBudget = LogBudget(burst: 40_000, perSecond: 100)
    private(set) var sendFailures: UInt64 = 0
    private(set) var kernelDrops: UInt64 = 0

    /// Hears nothing before `follow` is called.
    init(name: String, _ surroundings: PortSurroundings) {
        self.name = name
        self.surroundings = surroundings
        createdAt = surroundings.timers.now
        var logger = surroundings.logger
        logger[metadataKey: "port"] = "\(name)"
        self.logger = logger
        if link == nil { logger.notice("the interface is not there yet; waiting for it") }
    }

    var now: Instant { surroundings.timers.now }

    /// The interface, while it is there.
    var link: Link? { surroundings.table[name] }

    /// Opens the socket that the interface needs as it is now, or closes the one that there is, and tells how it stands.
    func follow() -> Interface {
        guard let link else {
            if socket != nil { logger.warning("the interface is gone; waiting for it to come back") }
            close()
            return .absent
        }
        // A bridge takes frames to group addresses for itself before a socket of one EtherType sees them, and so does the guest
        // filter.
        let tapsAll = link.masterIndex != nil || mark != nil
        let isAnother = socketIndex.map { $0 != link.index } ?? false
        if socketIndex != link.index || socketTapsAll != tapsAll || socketMark != mark { open(link, tapsAll: tapsAll) }
        return .present(link, isUp: link.isUp && link.hasCarrier && socket != nil, isAnother: isAnother)
    }

    private func open(_ link: Link, tapsAll: Bool) {
        close()
        do {
            // The draft's ECP goes to an address of its own.
            let groups = [MACAddress.nearestCustomerBridge, .nearestBridge].map { HardwareAddress($0.rawValue) }
            let socket = try PacketSocket(
                interfaceIndex: link.index, etherTypes: [EtherType.lldp, EtherType.ecp, EtherType.draftECP],
                groups: groups, tap: tapsAll ? .everything : .protocols, mark: mark)
            for descriptor in socket.descriptors {
                let watch = try surroundings.loop.watch(descriptor, for: .readable) { [weak self] _ in
                    self?.receive(descriptor)
                }
                watches.append(watch)
            }
            self.socket = socket
            socketIndex = link.index
            socketTapsAll = tapsAll
            socketMark = mark
        } catch {
            close()
            logger.error(
                "the interface cannot be listened on; evbd needs CAP_NET_RAW", metadata: ["error": "\(error)"])
        }
    }

    /// From now on frames bear this mark, and are heard before rules at the port are asked; nil ends it.
    func setMark(_ mark: UInt32?) {
        self.mark = mark
        if let link, socket != nil { open(link, tapsAll: link.masterIndex != nil || mark != nil) }
    }

    /// Stops listening.
    func close() {
        for watch in watches { watch.cancel() }
        watches = []
        socket = nil
        socketIndex = nil
    }

    private func receive(_ descriptor: Int32) {
        guard let socket else { return }
        do {
            let summary = try socket.receive(descriptor, limit: Self.framesPerTurn) { octets in
                take(octets)
            }
            kernelDrops &+= UInt64(summary.kernelDrops)
        } catch {
            // The interface went down; the kernel tells of that by netlink too.
            logger.debug("receiving failed", metadata: ["error": "\(error)"])
        }
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
        guard let socket else { return }
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
