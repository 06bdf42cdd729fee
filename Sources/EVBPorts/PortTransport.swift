internal import Dataplane
package import EVBLog
internal import EVBProtocol
package import EVBSettings
package import EVBTime
package import EVBWire
package import EventLoop
internal import Glibc
package import LinuxSystem
package import Logging
package import Netlink
internal import PacketSocket

/// What a port has of its interface, whichever side of the link it plays: it follows the interface, hears and sends frames
/// on it.
package final class PortTransport {
    /// How long nothing more is said of a flood.
    private static let floodSilence = Interval.seconds(10)

    /// How often an interface that another evbd has is tried again.
    private static let claimInterval = Interval.seconds(2)

    /// What the kernel makes of the frames to be sent.
    package enum SendState: Equatable {
        /// None has been sent yet.
        case unknown
        case sent
        /// - length: octets of the frame that the kernel has refused, with its header.
        case failing(SystemError, length: Int)
    }

    /// How the interface stands.
    package enum Interface {
        case absent
        /// - link: what the kernel says of it.
        /// - isUp: whether frames pass.
        /// - isAnother: whether it has the name of one that was there before, and is another.
        case present(_ link: Link, isUp: Bool, isAnother: Bool)
    }

    package let name: String
    package let surroundings: PortSurroundings
    package var logger: Logger
    /// Logs changes of the VSIs.
    package let changes: ChangeLog
    /// Called with each frame that can be read.
    package var onFrame: ((Frame) -> Void)?
    /// Called with each LLDPDU to the nearest non-TPMR bridge, by which S-channels are agreed on; nil where none are.
    package var onChannelFrame: ((Frame) -> Void)? {
        didSet { if (oldValue == nil) != (onChannelFrame == nil), let link, listener != nil { open(link) } }
    }
    /// Whether devices above the interface are ports too, and what comes by them is theirs.
    package var isDivided = false {
        didSet { if oldValue != isDivided, let link, listener != nil { open(link) } }
    }
    /// Called when it has been looked how the interface stands.
    package var onFollow: (() -> Void)?
    /// Called for each that cannot, with its header, if it has one.
    package var onUnreadable: ((WireError, FrameHeader?) -> Void)?
    /// Called when it is time to `follow` again.
    package var onRetry: (() -> Void)?
    /// Called with what an operator should know.
    package var onTrouble: ((String) -> Void)?
    /// When the port, and with it all of its counters, began.
    package let createdAt: Instant

    /// The captures that are made here; nil while none is.
    var capture: FrameCapture?

    /// The port's chassis ID.
    private let identity: ChassisIdentity
    /// Which way frames of a bond take.
    private var members = MemberWatch()

    /// The time of the loop that the neighbour may take.
    package let share: LoopShare
    /// Hears whoever is not the neighbour, and sends.
    private var listener: PortListener?
    /// Hears the EVB neighbour, once it is known, and nobody before.
    private var neighbourListener: PortListener?
    /// Hears the LLDP and ECP that does not belong to the port, to count it.
    private var strayListener: PortListener?
    private var neighbour: [HardwareAddress] = []
    private var neighbourAddresses: [MACAddress] = []
    /// Whose ECP is taken.
    private var ecpSource: PortSettings.ECP.Source
    /// The group addresses by which the port is spoken to.
    private var addresses: GroupAddresses
    /// Whether the port shares its cable with others. There may be so many of them that each is to have few descriptors.
    private let isChannel: Bool
    /// How the sockets have been opened.
    private var opening: Opening?
    /// What the frames sent are to be known by on this host, while the guest filter is at the port.
    private var mark: UInt32?

    /// What EVB speaks.
    private static let etherTypes = [EtherType.lldp, EtherType.ecp, EtherType.draftECP]

    private struct Opening: Equatable {
        let index: Int32
        let tapsAll: Bool
        let mark: UInt32?
        let ecpSource: PortSettings.ECP.Source
        let groups: [MACAddress]
        let isDivided: Bool

        var tap: PacketSocket.Tap { tapsAll ? .everything : .protocols }
        var addresses: [HardwareAddress] { groups.map { HardwareAddress($0.rawValue) } }
    }

    /// The interface that is this evbd's.
    private var claimed: Int32?
    /// The index of the interface that last had the port's name.
    package private(set) var formerIndex: Int32?
    /// The kernel's error for a frame that is longer than the MTU.
    static let messageTooLong = EMSGSIZE
    /// Whether another evbd has the interface.
    package private(set) var isTaken = false
    private var claimTimer: Timers.Timer?
    /// When it was last told that more frames come than are taken.
    private var floodTold: Instant?
    /// Whether it was told of a stray ECP frame since the sockets were opened.
    private var isStrayTold = false
    package private(set) var sendFailures: UInt64 = 0
    /// What the kernel has made of the frame that was sent last.
    package private(set) var sending = SendState.unknown
    /// Why the interface cannot be listened on; nil while it can be, or is not there.
    package private(set) var listenFailure: SystemError?
    /// EVB TLVs that are heard where they do not count.
    package private(set) var elsewhere = StrayTLVs()
    /// Called with each frame that could not be sent.
    package var onUnsent: ((Frame) -> Void)?
    /// Called when what is wrong with the interface may have changed.
    package var onDoubt: (() -> Void)?
    /// Memory that is used for one frame after the other: for the octets that are sent, and for the payload that came.
    private var frameMemory = FrameBuffer()
    private var payloadMemory: [UInt8] = []
    /// Sends on links of machines; opened for the first frame.
    private var sender: FrameSender?
    /// Frames that the kernel has dropped for sockets that are closed now.
    private var formerKernelDrops: UInt64 = 0
    /// Strays that such sockets have met.
    private var formerStrays: UInt64 = 0

    /// Hears nothing before `follow` is called.
    package init(_ configuration: PortSettings, _ surroundings: PortSurroundings) {
        name = configuration.interface
        ecpSource = configuration.ecp.source
        addresses = GroupAddresses(configuration)
        isChannel = configuration.channel != nil
        self.surroundings = surroundings
        identity = ChassisIdentity(directory: surroundings.runtimeDirectory, port: configuration.interface)
        share = LoopShare(of: surroundings.resources.portCount)
        createdAt = surroundings.timers.now
        var logger = surroundings.logger
        logger[metadataKey: "port"] = "\(name)"
        self.logger = logger
        changes = ChangeLog(timers: surroundings.timers, logger: logger)
        if link == nil { logger.notice("the interface is not there yet; waiting for it") }
    }

    package var now: Instant { surroundings.timers.now }

    /// A queue for what the neighbour gives to do, whose time is taken from the neighbour's share.
    package func workQueue<Work>(_ body: @escaping (Work) -> Void) -> WorkQueue<Work> {
        paying(WorkQueue(loop: surroundings.loop, body))
    }

    /// The same, for work that is of something each.
    package func workQueue<Key, Work>(
        by key: @escaping (Work) -> Key?, _ body: @escaping (Work) -> Void
    ) -> KeyedWorkQueue<Key, Work> {
        paying(KeyedWorkQueue(loop: surroundings.loop, key: key, body))
    }

    private func paying<Key, Work>(_ queue: KeyedWorkQueue<Key, Work>) -> KeyedWorkQueue<Key, Work> {
        queue.onSpent = { [share, timers = surroundings.timers] in
            share.spend(Interval(nanoseconds: $0), at: timers.now)
        }
        return queue
    }

    /// The interface, while it is there.
    package var link: Link? { surroundings.table[name] }

    /// The port's chassis ID; nil while its interface has never been there.
    package func chassis(of link: Link?) -> MACAddress? {
        identity.chassis(of: link?.address.map { MACAddress(truncating: $0.value) })
    }

    /// Whether frames take another way through a bond since a link has changed.
    package func takesOtherWay(_ changed: String) -> Bool {
        guard let link else { return false }
        return members.isOther(surroundings.table[changed], at: link, members: memberLinks)
    }

    private func memberLinks(of bond: Int32) -> [Link] { surroundings.table.all { $0.masterIndex == bond } }

    /// Frames that the kernel has dropped because more came than the port takes.
    package var kernelDrops: UInt64 {
        formerKernelDrops &+ (listener?.kernelDrops ?? 0) &+ (neighbourListener?.kernelDrops ?? 0)
    }

    /// Frames of LLDP and ECP that were dropped because they do not belong to the port: sent to another address, in a VLAN, or
    /// received on a device above the interface.
    package var strays: UInt64 {
        var count = formerStrays
        if let strayListener { count &+= strayListener.frames &+ strayListener.kernelDrops }
        for own in [listener, neighbourListener] { count &+= own?.strays ?? 0 }
        return count
    }

    /// Opens the sockets that the interface needs as it is now, or closes those that there are, and tells how it stands.
    package func follow() -> Interface {
        defer { onFollow?() }
        guard let link else {
            if listener != nil {
                logger.alert(.portDown).warning("the interface is gone; waiting for it to come back")
                capture?.note("the interface \(name) is gone; evbd waits for it to come back")
            }
            close()
            return .absent
        }
        // Before the claim, which closes the sockets of the former interface.
        let isAnother = claimed.map { $0 != link.index } ?? opening.map { $0.index != link.index } ?? false
        guard claim(link) else { return .present(link, isUp: false, isAnother: isAnother) }
        open(link)
        members.begin(at: link, members: memberLinks)
        return .present(link, isUp: link.isUp && link.hasCarrier && listener != nil, isAnother: isAnother)
    }

    /// Whether the interface is this evbd's. While another has it, it is tried again and again.
    private func claim(_ link: Link) -> Bool {
        guard claimed != link.index else { return true }
        close()
        // Without CAP_NET_RAW there is no claim; opening the sockets tells.
        guard (try? surroundings.claims.take(link.index)) ?? true else {
            if !isTaken {
                let text = "another evbd has the interface in this network namespace; the port rests until that ends"
                logger.alert(.portDown).error("\(text)")
                onTrouble?(text)
            }
            isTaken = true
            if claimTimer == nil { claimTimer = surroundings.timers.timer { [weak self] in self?.onRetry?() } }
            claimTimer?.set(now + Self.claimInterval)
            return false
        }
        claimed = link.index
        formerIndex = link.index
        if isTaken { logger.notice("the other evbd has ended; the port goes on") }
        isTaken = false
        claimTimer = nil
        return true
    }

    /// Opens sockets as they are to be for a link, unless they are.
    private func open(_ link: Link) {
        // A bridge takes frames to group addresses for itself before a socket of one EtherType sees them, and so does the guest
        // filter.
        let wanted = Opening(
            index: link.index, tapsAll: link.masterIndex != nil || mark != nil || isChannel, mark: mark,
            ecpSource: ecpSource,
            groups: addresses.all(own: link) + (onChannelFrame == nil ? [] : [.nearestNonTPMRBridge]),
            isDivided: isDivided)
        guard wanted != opening else { return }
        closeSockets()
        do {
            opening = wanted
            let allowance: PortListener.Allowance = ecpSource == .any ? .neighbour : .others
            listener = try listen(neighbour.isEmpty ? .any : .except(neighbour), allowance)
            // Also while there is no neighbour: to close a socket takes the kernel some milliseconds.
            neighbourListener = try listen(.only(neighbour), .neighbour)
            strayListener = try listenToStrays(wanted)
            listenFailure = nil
            recordArrivals()
        } catch {
            closeSockets()
            listenFailure = error
            logger.alert(.portDown).error(
                "the interface cannot be listened on; evbd needs CAP_NET_RAW", metadata: ["error": "\(error)"])
        }
    }

    private func listen(
        _ sources: FrameSources, _ allowance: PortListener.Allowance
    ) throws(SystemError) -> PortListener? {
        guard let opening else { return nil }
        let socket = try PacketSocket(
            interfaceIndex: opening.index, etherTypes: Self.etherTypes, groups: opening.addresses, sources: sources,
            tap: opening.tap, mark: opening.mark)
        let who = allowance == .neighbour ? "the neighbour" : "others than the neighbour"
        return try PortListener(
            socket, allowance, share: allowance == .neighbour ? share : nil, loop: surroundings.loop,
            timers: surroundings.timers,
            take: { [weak self] in self?.take($0, from: socket) },
            onFlood: { [weak self] in self?.tellOfFlood(from: who) })
    }

    private func listenToStrays(_ opening: Opening) throws(SystemError) -> PortListener {
        let socket = try PacketSocket(
            interfaceIndex: opening.index, etherTypes: Self.etherTypes, groups: opening.addresses,
            furtherGroups: StrayTLVs.groups.filter { !opening.addresses.contains($0) },
            taken: .strays(reading: EtherType.lldp, withDevicesAbove: !opening.isDivided), tap: opening.tap)
        // A flood of them is left in the kernel and counted there.
        return try PortListener(
            socket, .others, loop: surroundings.loop, timers: surroundings.timers,
            take: { [weak self] in self?.takeStray($0, from: socket) }, onFlood: {})
    }

    private func takeStray(_ octets: UnsafeRawBufferPointer, from socket: PacketSocket) {
        guard let capture else { return tellOfStray(octets) }
        capture.received(octets, socket.arrival, isStray: true) { tellOfStray(octets) }
    }

    /// Logs the first stray ECP frame. LLDP to other addresses and in VLANs is the ordinary business of other agents; that it has
    /// an EVB TLV is remembered.
    private func tellOfStray(_ octets: UnsafeRawBufferPointer) {
        guard let header = FrameHeader(octets) else { return }
        if header.etherType == EtherType.lldp {
            return noteStray(octets, header)
        }
        guard !isStrayTold else { return }
        isStrayTold = true
        let reason =
            addresses.all(own: link).contains(header.destination)
            ? "it is in a VLAN of \(name)" : "this is not the group address of ECP on \(name)"
        log(
            .warning,
            "dropping ECP from \(header.source) to \(header.destination): \(reason); see SocketStrays of evbctl stats",
            alert: .neighbourProblem)
    }

    /// Remembers an EVB TLV that is heard where it does not count.
    private func noteStray(_ octets: UnsafeRawBufferPointer, _ header: FrameHeader) {
        if elsewhere.take(octets, isOwnGroup: addresses.includes(header, own: link?.ownAddress), at: now) { onDoubt?() }
    }

    /// Says it once in a while: what else there is to be told of the port is to have its place in the log.
    private func tellOfFlood(from who: String) {
        if let floodTold, now.since(floodTold) < Self.floodSilence { return }
        floodTold = now
        log(.warning, "more frames come from \(who) than are taken: see SocketKernelDrops of evbctl stats")
    }

    /// From now on frames bear this mark, and are heard before rules at the port are asked; nil ends it.
    package func setMark(_ mark: UInt32?) {
        self.mark = mark
        if let link, listener != nil { open(link) }
    }

    /// Takes ECP from the sources, and frames to the group addresses, that a port's new settings name.
    package func reconfigure(_ configuration: PortSettings) {
        ecpSource = configuration.ecp.source
        addresses = GroupAddresses(configuration)
        if let link, listener != nil { open(link) }
    }

    /// Hears the EVB neighbour apart from all others.
    ///
    /// - Parameter addresses: the neighbour's; none while there is no neighbour.
    package func setNeighbour(_ addresses: [MACAddress]) {
        guard addresses != neighbourAddresses else { return }
        neighbourAddresses = addresses
        let addresses = addresses.map { HardwareAddress($0.rawValue) }
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
        formerStrays &+= listener.strays
        listener.close()
    }

    private func closeSockets() {
        close(listener)
        close(neighbourListener)
        listener = nil
        neighbourListener = nil
        if let strayListener {
            formerStrays &+= strayListener.frames &+ strayListener.kernelDrops
            strayListener.close()
        }
        strayListener = nil
        isStrayTold = false
        elsewhere = StrayTLVs()
        sending = .unknown
        opening = nil
    }

    /// Whether frames pass: the interface is there and up, and is listened on.
    package var isUp: Bool { link.map { $0.isUp && $0.hasCarrier } ?? false && listener != nil }

    /// Stops listening, and gives the interface back.
    package func close() {
        closeSockets()
        claimTimer = nil
        if let claimed { surroundings.claims.giveBack(claimed) }
        claimed = nil
        listenFailure = nil
    }

    private func take(_ octets: UnsafeRawBufferPointer, from socket: PacketSocket) {
        guard let capture else { return take(octets) }
        capture.received(octets, socket.arrival, isStray: false) { take(octets) }
    }

    private func take(_ octets: UnsafeRawBufferPointer) {
        do throws(WireError) {
            var frame = try Frame(decoding: octets, reusing: &payloadMemory)
            if case .lldp = frame.payload {
                if frame.destination == .nearestNonTPMRBridge, let onChannelFrame { return onChannelFrame(frame) }
                let isOwn = addresses.includes(frame.header, own: link?.ownAddress)
                if !isOwn { noteStray(octets, frame.header) }
            }
            onFrame?(frame)
            frame.giveBack(&payloadMemory)
        } catch {
            onUnreadable?(error, FrameHeader(octets))
            logger.trace("frame discarded", metadata: ["error": "\(error)"])
        }
    }

    /// Sends a frame; one that cannot be sent is counted.
    package func send(_ frame: Frame) {
        guard let socket = listener?.socket else {
            onUnsent?(frame)
            return
        }
        let time = capture == nil ? 0 : WallClock.now()
        let (result, length) = frameMemory.write(frame) { octets in
            (Result { () throws(SystemError) in try socket.send(octets) }, octets.count)
        }
        switch result {
        case .success:
            capture?.sent(frame, frame.encoded(), at: time)
            note(.sent)
        case .failure(let error):
            // As if it were lost on the wire; ECP and LLDP send again.
            sendFailures &+= 1
            logger.debug("sending failed", metadata: ["error": "\(error)"])
            onUnsent?(frame)
            note(.failing(error, length: length))
        }
    }

    private func note(_ state: SendState) {
        guard state != sending else { return }
        if case .failing(let error, _) = state { capture?.note("frames cannot be sent on \(name): \(error)") }
        sending = state
        onDoubt?()
    }

    /// Sends a frame of another protocol on an interface; one that cannot be sent is counted.
    package func send(octets: [UInt8], through interfaceIndex: Int32) {
        do {
            let sender = try self.sender ?? FrameSender()
            self.sender = sender
            try octets.withUnsafeBytes { try sender.send($0, through: interfaceIndex) }
        } catch {
            sendFailures &+= 1
            logger.debug("sending failed", metadata: ["error": "\(error)"])
        }
    }

    /// Nothing is to be sent on other interfaces for now.
    package func endSendingElsewhere() { sender = nil }

    /// Logs what the peer may have caused. The log's quota bounds it.
    package func log(
        _ level: Logger.Level, _ message: String, _ metadata: @autoclosure () -> Logger.Metadata = [:],
        alert: LogAlert? = nil
    ) {
        guard level >= logger.logLevel else { return }
        logger.alert(alert).log(level: level, "\(message)", metadata: metadata())
    }

    /// Whether a frame went to an address of what it carries on this port.
    func isOwn(_ header: FrameHeader) -> Bool { addresses.includes(header, own: link?.ownAddress) }

    /// The sockets by which frames come in.
    var sockets: [PacketSocket] { [listener, neighbourListener, strayListener].compactMap { $0?.socket } }
}
