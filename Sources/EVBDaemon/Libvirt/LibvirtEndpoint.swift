internal import EVBControl
internal import EVBProtocol
internal import EVBWire
internal import EventLoop
internal import Glibc
internal import LinuxSystem
internal import Logging
internal import Netlink

/// The netlink port on which libvirt expects lldpad: takes port profiles, tells how they stand, and tells when a bridge
/// takes one back.
///
/// To libvirt a request is over once it has polled an outcome; what it wants after a failure it asks for anew. So its VSIs
/// are wanted once, and their outcomes are remembered here for a while after the port has forgotten them.
final class LibvirtEndpoint {
    /// How long an outcome can be polled after the request has ended: a few times the 10 s that libvirt polls.
    private static let memory = Interval.seconds(60)
    /// How long the forgetting of old outcomes waits for more of them, so that it looks at all of them seldom.
    private static let sweep = Interval.seconds(5)
    /// When an association that libvirt polls is given up: before libvirt does so at 10 s, without telling.
    private static let patience = Interval.milliseconds(9_500)
    /// How often open requests are looked at while some are polled.
    private static let impatience = Interval.milliseconds(250)
    /// Outcomes that are remembered; of more, the oldest are forgotten.
    private static let outcomesMax = 16_384
    /// Datagrams taken before others have their turn.
    private static let datagramsPerTurn = 64
    /// Entries of one poll's answer; libvirt reads 128 KiB, and its own VSIs come first.
    private static let entriesMax = 1024

    /// One VSI that libvirt asked for.
    private struct Entry {
        var profile: LibvirtRequest.PortProfile
        /// Where libvirt waits for events, and the number that its request had.
        var eventPort: UInt32
        var sequence: UInt32
        /// Grows with each request, so that the newest can be told first.
        var order: UInt64
        var requestedAt: Instant
        /// libvirt waits for its outcome. After a restart of its own it asks and does not.
        var isPolled = false
        /// PORT_*_RESPONSE; nil while the request is under way.
        var response: UInt16?
        /// It is bound, so libvirt is to hear if it no longer is.
        var isGranted = false
        var expiry: Instant?
    }

    private struct Key: Hashable {
        let port: String
        let instance: VSIID
    }

    /// PORT_VDP_RESPONSE_SUCCESS.
    private static let success: UInt16 = 0
    /// PORT_PROFILE_RESPONSE_ERROR, for failures that the bridge has given no code for.
    private static let failure: UInt16 = 0x105

    private let daemon: Daemon
    private let timers: Timers
    private let logger: Logger
    private let endpoint: NetlinkEndpoint
    private var watch: EventLoop.Watch?
    private var timer: Timers.Timer?
    private var entries: [Key: Entry] = [:]
    private var lastOrder: UInt64 = 0
    /// The timer runs.
    private var isForgetting = false
    private var patienceTimer: Timers.Timer?
    private var isLookingAfterPolled = false
    private(set) var refusedMessages: UInt64 = 0

    /// Serves on `endpoint`, which is bound to evbd's process ID.
    ///
    /// - Throws: `SystemError` when the loop cannot watch it.
    init(daemon: Daemon, endpoint: NetlinkEndpoint, loop: EventLoop, timers: Timers, logger: Logger) throws {
        self.daemon = daemon
        self.endpoint = endpoint
        self.timers = timers
        self.logger = logger
        timer = timers.timer { [weak self] in self?.forgetOld() }
        patienceTimer = timers.timer { [weak self] in self?.giveUpPolled() }
        watch = try loop.watch(endpoint.descriptor, for: .readable) { [weak self] _ in self?.receive() }
    }

    private func receive() {
        do {
            _ = try endpoint.receive(limit: Self.datagramsPerTurn) { octets, sender, credentials in
                receive(Array(octets), from: sender, credentials)
            }
        } catch {
            logger.warning("requests of libvirt cannot be read", metadata: ["error": "\(error)"])
        }
    }

    private func receive(_ octets: [UInt8], from sender: UInt32, _ credentials: NetlinkEndpoint.Credentials?) {
        let header = NetlinkHeader(octets)
        // Port 0 is the kernel. Replies are not replied to, or two ends would do so for ever.
        let isReply = [RTNetlink.messageNoop, RTNetlink.messageError, RTNetlink.messageDone].contains(header.type)
        guard sender != 0, !(isReply && octets.count >= RTNetlink.headerLength) else { return }
        guard let credentials, Privileges.mayConfigureNetwork(credentials) else {
            refuse(LibvirtRequest.Refusal(code: EPERM, problem: "the sender lacks CAP_NET_ADMIN"), header, sender)
            return
        }
        do {
            let request = try LibvirtRequest(octets)
            guard let found = port(of: request) else {
                throw LibvirtRequest.Refusal(code: ENODEV, problem: Self.unknownPort(request))
            }
            guard let port = found as? PortSupervisor else {
                throw LibvirtRequest.Refusal(
                    code: EOPNOTSUPP, problem: "\(found.name) is a bridge port, and takes VSIs from its station only")
            }
            switch request.body {
            case .poll: poll(port, request, sender)
            case .profile(let profile):
                try take(profile, port, request)
                reply(LibvirtReply.result(0, to: request.header), to: sender)
            }
        } catch let error as LibvirtRequest.Refusal {
            refuse(error, header, sender)
        } catch {
            refuse(LibvirtRequest.Refusal(code: EINVAL, problem: "\(error)"), header, sender)
        }
    }

    private func refuse(_ refusal: LibvirtRequest.Refusal, _ header: NetlinkHeader, _ sender: UInt32) {
        refusedMessages &+= 1
        logger.notice(
            "a netlink request was refused",
            metadata: ["problem": "\(refusal.problem)", "errno": "\(refusal.code)", "sender": "\(sender)"])
        reply(LibvirtReply.result(refusal.code, to: header), to: sender)
    }

    private func reply(_ octets: [UInt8], to port: UInt32) {
        do {
            try octets.withUnsafeBytes { try endpoint.send($0, to: port) }
        } catch {
            // The requester has gone, or does not read; it will ask again or it will not.
            logger.debug("a netlink reply could not be sent", metadata: ["error": "\(error)", "port": "\(port)"])
        }
    }

    /// The port that a request is for: its interface's name counts, and its index where there is no name.
    private func port(of request: LibvirtRequest) -> (any ManagedPort)? {
        if let name = request.interfaceName { return daemon.port(name) }
        return daemon.ports.first { $0.interfaceIndex == request.interfaceIndex }
    }

    private static func unknownPort(_ request: LibvirtRequest) -> String {
        let name = request.interfaceName.map { printable($0, longest: 15) } ?? "index \(request.interfaceIndex)"
        return "the interface \(name) is not a port of evbd; add it to ports in the configuration"
    }

    // MARK: Requests

    private func take(_ profile: LibvirtRequest.PortProfile, _ port: PortSupervisor, _ request: LibvirtRequest) throws {
        let key = Key(port: port.name, instance: profile.instance)
        lastOrder &+= 1
        var entry = Entry(
            profile: profile, eventPort: request.header.port, sequence: request.header.sequence, order: lastOrder,
            requestedAt: timers.now)
        entry.isGranted = entries[key]?.isGranted ?? false
        let order = lastOrder
        let former = entries[key]
        // The outcome may come before `request` returns.
        entries[key] = entry
        let waiter: ManagedVSI.Waiter = { [weak self] in self?.ended(key, order, $0) }
        do {
            if let target = profile.operation.target {
                let filter = try FilterInfo(checking: [
                    FilterEntry(
                        vid: profile.vlan, pcp: profile.priority == 0 ? nil : profile.priority,
                        macAddress: profile.macAddress)
                ])
                let manager = VSIManagerID(short: profile.managerID, placement: port.managerIDPlacement)
                try port.request(
                    EVBProtocol.VSIRequest(
                        vsiID: profile.instance, target: target, managerID: manager, typeID: profile.typeID,
                        typeVersion: profile.typeVersion, filter: filter, persistence: .once),
                    link: nil, owner: .libvirt, waiter: waiter)
            } else {
                try port.withdraw(profile.instance, waiter: waiter)
            }
        } catch {
            entries[key] = former
            throw LibvirtRequest.Refusal(error)
        }
        if entries.count > Self.outcomesMax { forgetOldest() }
    }

    private func ended(_ key: Key, _ order: UInt64, _ ending: ManagedVSI.Ending) {
        guard var entry = entries[key], entry.order == order else { return }
        entry.isGranted = false
        switch ending {
        case .outcome(.granted):
            entry.response = Self.success
            entry.isGranted = true
        case .outcome(.released): entry.response = Self.success
        case .outcome(.refused(let refusal)): entry.response = UInt16(refusal.reason.rawValue)
        case .outcome, .linkFailed: entry.response = Self.failure
        }
        entries[key] = entry
        if !entry.isGranted { expire(key) }
    }

    // MARK: Polls

    private func poll(_ port: PortSupervisor, _ request: LibvirtRequest, _ sender: UInt32) {
        var mine: [(key: Key, entry: Entry)] = []
        var others: [(key: Key, entry: Entry)] = []
        for (key, entry) in entries where key.port == port.name {
            // A poll bears the number and the event port of the request that it asks about.
            let isMine = entry.eventPort == request.header.port
            if isMine { mine.append((key, entry)) } else { others.append((key, entry)) }
        }
        mine.sort { left, right in
            let isLeft = left.entry.sequence == request.header.sequence
            let isRight = right.entry.sequence == request.header.sequence
            return isLeft == isRight ? left.entry.order > right.entry.order : isLeft
        }
        others.sort { $0.entry.order > $1.entry.order }
        for (key, entry) in mine where entry.response == nil { lookAfter(key) }
        let shown = (mine + others).prefix(Self.entriesMax)
        let vsis = shown.map { (instance: $0.key.instance, response: $0.entry.response) }
        reply(LibvirtReply.poll(vsis, interfaceIndex: request.interfaceIndex, to: request.header), to: sender)
    }

    /// libvirt polls this request for 10 s at most, and then forgets it without a word.
    private func lookAfter(_ key: Key) {
        entries[key]?.isPolled = true
        guard !isLookingAfterPolled else { return }
        isLookingAfterPolled = true
        patienceTimer?.set(timers.now + Self.impatience)
    }

    /// What libvirt is about to give up fails now, and is taken back from the bridge: a late success would leave the switch
    /// with a VSI that nobody owns.
    private func giveUpPolled() {
        let now = timers.now
        let open = entries.filter { $0.value.isPolled && $0.value.response == nil }
        for (key, entry) in open where now.since(entry.requestedAt) >= Self.patience {
            guard entry.profile.operation != .disassociate else { continue }
            logger.warning(
                "the bridge has not answered for as long as libvirt waits; its request is withdrawn",
                metadata: ["vsi": "\(key.instance)", "port": "\(key.port)"])
            // The waiter hears that its request is superseded, and libvirt's next poll that it failed.
            try? (daemon.port(key.port) as? PortSupervisor)?.withdraw(key.instance, waiter: nil)
        }
        isLookingAfterPolled = entries.values.contains { $0.isPolled && $0.response == nil }
        patienceTimer?.set(isLookingAfterPolled ? now + Self.impatience : nil)
    }

    // MARK: Losses

    /// The bridge took a VSI back for good: libvirt is told, and asks anew if it wants to.
    func forgotten(_ vsiID: VSIID, on port: PortSupervisor) {
        let key = Key(port: port.name, instance: vsiID)
        guard var entry = entries[key], entry.isGranted, entry.profile.operation != .disassociate else { return }
        entry.isGranted = false
        entry.response = Self.failure
        entries[key] = entry
        expire(key)
        logger.notice("libvirt is told that a VSI is lost", metadata: ["vsi": "\(vsiID)", "port": "\(port.name)"])
        reply(
            LibvirtReply.dropped(
                entry.profile, interfaceName: port.name, processID: UInt32(bitPattern: daemon.processID),
                sequence: entry.sequence),
            to: entry.eventPort)
    }

    // MARK: Forgetting

    /// An outcome can be polled for a while from now on. The timer runs for the first of them: it is not put off by later ones.
    private func expire(_ key: Key) {
        entries[key]?.expiry = timers.now + Self.memory
        guard !isForgetting else { return }
        isForgetting = true
        timer?.set(timers.now + Self.memory)
    }

    private func forgetOld() {
        let now = timers.now
        entries = entries.filter { $0.value.expiry.map { $0 > now } ?? true }
        let next = entries.values.lazy.compactMap(\.expiry).min()
        isForgetting = next != nil
        timer?.set(next.map { max($0, now + Self.sweep) })
    }

    /// The port is evbd's no more, and what was said of it is of no use.
    func portClosed(_ name: String) {
        entries = entries.filter { $0.key.port != name }
    }

    /// Makes room; VSIs that are bound or under way stay, and their number is bounded by the ports.
    private func forgetOldest() {
        let ended = entries.filter { $0.value.expiry != nil }.sorted { $0.value.order < $1.value.order }
        for (key, _) in ended.prefix(max(1, ended.count / 8)) { entries[key] = nil }
    }
}

extension LibvirtRequest.Operation {
    /// How far the VSI is to be bound; nil to release it.
    fileprivate var target: EVBProtocol.VSIRequest.Target? {
        switch self {
        case .preAssociate: .preAssociated
        case .preAssociateWithReservation: .preAssociatedWithReservation
        case .associate: .associated
        case .disassociate: nil
        }
    }
}

extension LibvirtRequest.Refusal {
    /// The errno for a request that the port does not take.
    fileprivate init(_ error: any Error) {
        switch error {
        case VSIRequestError.tooManyVSIs(let limit):
            self.init(code: ENOMEM, problem: "the port has \(limit) VSIs already")
        case VSIRequestError.goesBackward: self.init(code: EINVAL, problem: "the VSI is bound further than that")
        case VSIRequestError.tooLong: self.init(code: EINVAL, problem: "the VSI does not fit a frame")
        case VSIRequestError.unknownVSI: self.init(code: EINVAL, problem: "the VSI is not known")
        default: self.init(code: EINVAL, problem: "the filter cannot be used: \(error)")
        }
    }
}
