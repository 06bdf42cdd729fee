internal import EVBLog
package import EVBModel
package import EVBPorts
internal import EVBProtocol
internal import EVBTime
internal import EVBWire
package import EventLoop
internal import Glibc
internal import LinuxSystem
package import Logging
package import Netlink
internal import TerminalText

/// The netlink port on which libvirt expects lldpad: takes port profiles, tells how they stand, and tells when a bridge
/// takes one back.
///
/// libvirt polls how the request of a machine that starts ends, and takes the machine down if it fails. For a machine that
/// runs it asks once, when it starts itself or hears of a loss, and does not look at the outcome. So the port goes on asking
/// for what libvirt wants, and ends that when libvirt has read a failure and deleted the link (`LibvirtEndpoint+Ends.swift`).
/// Outcomes are remembered in a ``LibvirtLedger`` for a while after the port has forgotten the VSI.
/// libvirt polls at once after it has asked, and again after 125 ms: the answer waits for the bridge for a moment, so that
/// what the bridge does in a millisecond does not take 126.
package final class LibvirtEndpoint {
    /// Datagrams taken before others have their turn.
    private static let datagramsPerTurn = 64
    /// How long a process keeps its name.
    private static let requesterLife = Interval.seconds(1)

    /// What is known of one port, and the timer for it.
    package struct Served {
        let ledger: LibvirtLedger
        let timer: Timers.Timer
    }

    let directory: any PortDirectory
    package let timers: Timers
    private let loop: EventLoop
    let logger: Logger
    private let endpoint: NetlinkEndpoint
    private var watch: EventLoop.Watch?
    /// By the interface, also for what is on S-channels of it: libvirt knows no others.
    private(set) var served: [String: Served] = [:]
    /// The interfaces of S-channels.
    var roots: [String: String] = [:]
    /// Failures that libvirt has read, until it has had the time to delete the link.
    var doubts = FIFO<Doubt>()
    let portWatch: LibvirtPortWatch
    private(set) lazy var doubtTimer = timers.timer { [weak self] in self?.settleDoubts() }
    private(set) lazy var deliveryTimer = timers.timer { [weak self] in self?.deliverAgain() }
    /// Who asked last, and when its name was looked up.
    private var lastRequester: (sender: NetlinkEndpoint.Credentials, port: UInt32, requester: Requester, at: Instant)?
    /// Polls that are answered when everything that has come with the news is known.
    private var due: [(port: String, poll: LibvirtLedger.Poll)] = []

    /// Serves on `endpoint`, which is bound to the port that the pid file tells.
    ///
    /// - Throws: `SystemError` when the loop cannot watch it.
    package init(
        directory: any PortDirectory, endpoint: NetlinkEndpoint, loop: EventLoop, timers: Timers, logger: Logger
    )
        throws
    {
        self.directory = directory
        self.endpoint = endpoint
        self.timers = timers
        self.loop = loop
        self.logger = logger
        portWatch = LibvirtPortWatch(timers: timers, logger: logger)
        watch = try loop.watch(endpoint.descriptor, for: .readable) { [weak self] _ in self?.receive() }
    }

    private func receive() {
        do {
            _ = try endpoint.receive(limit: Self.datagramsPerTurn) { octets, sender, credentials in
                receive(Array(octets), from: sender, credentials)
            }
        } catch {
            logger.error("requests of libvirt cannot be read", metadata: ["error": "\(error)"])
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
            guard case .station(let port) = found else {
                throw LibvirtRequest.Refusal(
                    code: EOPNOTSUPP, problem: "\(found.name) is a bridge port, and takes VSIs from its station only")
            }
            switch request.body {
            case .poll: poll(root(of: port.name), request, sender)
            case .profile(let profile):
                let requester = requester(credentials, request.header.port)
                let (place, placed) = place(of: profile, on: port)
                try Requester.$current.withValue(requester) { try take(placed, place, request) }
                reply(LibvirtReply.result(0, to: request.header), to: sender)
            }
        } catch let error as LibvirtRequest.Refusal {
            refuse(error, header, sender)
        } catch {
            refuse(LibvirtRequest.Refusal(code: EINVAL, problem: "\(error)"), header, sender)
        }
    }

    /// The process that asks. libvirt asks for one machine after the other, and to look its name up takes five system calls.
    private func requester(_ sender: NetlinkEndpoint.Credentials, _ port: UInt32) -> Requester {
        let now = timers.now
        if let last = lastRequester, last.sender == sender, last.port == port,
            now.since(last.at) < Self.requesterLife
        {
            return last.requester
        }
        let requester = Requester.libvirt(pid: sender.processID, uid: sender.userID, port: port)
        lastRequester = (sender, port, requester, now)
        return requester
    }

    private func refuse(_ refusal: LibvirtRequest.Refusal, _ header: NetlinkHeader, _ sender: UInt32) {
        logger.alert(.vsiRefused).log(
            level: .warning, "a netlink request was refused",
            metadata: ["problem": "\(refusal.problem)", "errno": "\(refusal.code)", "sender": "\(sender)"],
            source: LogSource.libvirt)
        reply(LibvirtReply.result(refusal.code, to: header), to: sender)
    }

    /// - Returns: whether it was sent.
    @discardableResult
    private func reply(_ octets: [UInt8], to port: UInt32) -> Bool {
        do {
            try octets.withUnsafeBytes { try endpoint.send($0, to: port) }
            return true
        } catch {
            // The requester has gone, or does not read; it will ask again or it will not.
            logger.debug("a netlink reply could not be sent", metadata: ["error": "\(error)", "port": "\(port)"])
            return false
        }
    }

    /// The port that a request is for: its interface's name counts, and its index where there is no name.
    private func port(of request: LibvirtRequest) -> EVBPort? {
        if let name = request.interfaceName { return directory.port(name) }
        return directory.ports.first { $0.common.interfaceIndex == request.interfaceIndex }
    }

    private static func unknownPort(_ request: LibvirtRequest) -> String {
        let name = request.interfaceName.map { printable($0, longest: 15) } ?? "index \(request.interfaceIndex)"
        return "the interface \(name) is not a port of evbd; add it to ports in the configuration"
    }

    // MARK: Requests

    private func take(_ profile: LibvirtRequest.PortProfile, _ port: any StationPortControl, _ request: LibvirtRequest)
        throws
    {
        let name = root(of: port.name)
        // The outcome may come before the request is noted.
        var order: UInt64?
        var early: RequestEnding?
        let waiter: RequestWaiter = { [weak self] ending in
            if let order { self?.ended(profile.instance, order, ending, on: name) } else { early = ending }
        }
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
                        typeVersion: profile.typeVersion, filter: filter),
                    link: nil, owner: .libvirt(eventPort: request.header.port), waiter: waiter)
            } else {
                try port.withdraw(profile.instance, because: nil, waiter: waiter)
            }
        } catch {
            throw LibvirtRequest.Refusal(error)
        }
        let served = serve(name)
        let taken = served.ledger.take(profile, request.header, at: timers.now)
        order = taken.order
        answerLater(taken.answered, of: name)
        served.timer.set(served.ledger.nextDeadline)
        if let early { ended(profile.instance, taken.order, early, on: name) }
    }

    private func ended(_ vsiID: VSIID, _ order: UInt64, _ ending: RequestEnding, on port: String) {
        guard let served = served[port] else { return }
        // What libvirt has been answered already ends without another word.
        if case .outcome(.superseded) = ending, served.ledger.entries[vsiID]?.response != nil { return }
        let (response, isGranted) =
            switch ending {
            case .outcome(.granted): (LibvirtReply.success, true)
            case .outcome(.released): (LibvirtReply.success, false)
            case .outcome(.refused(let refusal)): (UInt16(refusal.reason.rawValue), false)
            case .outcome, .linkFailed: (LibvirtReply.failure, false)
            }
        let isKept = !isGranted && response != LibvirtReply.success && station(port, of: vsiID)?.holds(vsiID) == true
        answerLater(
            served.ledger.end(
                vsiID, order, response: response, isGranted: isGranted, isKept: isKept, at: timers.now), of: port)
        served.timer.set(served.ledger.nextDeadline)
        lookAtReadFailures(of: port)
    }

    /// What a line of the log says of a VSI.
    func facts(_ vsiID: VSIID, _ port: String) -> Logger.Metadata {
        let station = station(port, of: vsiID)
        var facts = station?.logFacts(vsiID) ?? ["vsi": "\(vsiID)"]
        facts["port"] = "\(station?.name ?? port)"
        return facts
    }

    package func serve(_ port: String) -> Served {
        if let known = served[port] { return known }
        let new = Served(ledger: LibvirtLedger(), timer: timers.timer { [weak self] in self?.advance(port) })
        served[port] = new
        return new
    }

    // MARK: Polls

    private func poll(_ port: String, _ request: LibvirtRequest, _ sender: UInt32) {
        let poll = LibvirtLedger.Poll(
            header: request.header, interfaceIndex: request.interfaceIndex, sender: sender)
        let served = serve(port)
        let isHeld = served.ledger.poll(poll, at: timers.now)
        served.timer.set(served.ledger.nextDeadline)
        if !isHeld { answer(poll, of: port) }
        lookAtReadFailures(of: port)
    }

    private func answer(_ poll: LibvirtLedger.Poll, of port: String) {
        guard let served = served[port] else {
            let problem = "the port \(port) is no longer a port of evbd"
            return refuse(LibvirtRequest.Refusal(code: ENODEV, problem: problem), poll.header, poll.sender)
        }
        reply(
            LibvirtReply.poll(
                served.ledger.answer(to: poll), interfaceIndex: poll.interfaceIndex, to: poll.header),
            to: poll.sender)
    }

    /// Answers polls when everything that has come in the same frame has been heard.
    func answerLater(_ polls: [LibvirtLedger.Poll], of port: String) {
        guard !polls.isEmpty else { return }
        if due.isEmpty { loop.later { [weak self] in self?.answerDue() } }
        due += polls.map { (port, $0) }
    }

    private func answerDue() {
        let polls = due
        due = []
        for (port, poll) in polls { answer(poll, of: port) }
    }

    // MARK: Time

    private func advance(_ port: String) {
        guard let served = served[port] else { return }
        let (answered, overdue) = served.ledger.advance(to: timers.now)
        answerLater(answered, of: port)
        for vsiID in overdue { giveUp(vsiID, port, served.ledger) }
        served.timer.set(served.ledger.nextDeadline)
    }

    private func giveUp(_ vsiID: VSIID, _ port: String, _ ledger: LibvirtLedger) {
        guard let entry = ledger.entries[vsiID], entry.response == nil else { return }
        logger.alert(.vsiRefused).warning(
            "the bridge has not answered for as long as libvirt waits; its request has failed",
            metadata: facts(vsiID, port))
        // libvirt's next poll hears that it failed. What the bridge grants from now on it is to take back.
        let isKept = entry.profile.operation != .disassociate && station(port, of: vsiID)?.holds(vsiID) == true
        answerLater(
            ledger.end(
                vsiID, entry.order, response: LibvirtReply.failure, isGranted: false, isKept: isKept, at: timers.now),
            of: port)
        lookAtReadFailures(of: port)
    }

    // MARK: Losses

    /// Sends the news that a VSI is not bound any more.
    ///
    /// - Returns: whether libvirtd has it.
    func tellLoss(_ entry: LibvirtLedger.Entry, on port: String) -> Bool {
        reply(
            LibvirtReply.dropped(
                entry.profile, interfaceName: port, port: endpoint.port, sequence: entry.sequence),
            to: entry.eventPort)
    }

    // MARK: Ends

    /// The port is evbd's no more, and what was said of it is of no use: polls that wait are told so.
    package func portClosed(_ name: String) {
        // What is known of a channel's VSIs is its interface's to tell.
        guard roots.removeValue(forKey: name) == nil else { return }
        guard let closed = served.removeValue(forKey: name) else { return }
        answerLater(closed.ledger.releaseAll(), of: name)
    }

    /// evbd stops: what waits is answered with what is known.
    package func stop() {
        for (port, served) in served { due += served.ledger.releaseAll().map { (port, $0) } }
        answerDue()
    }

    /// What has been asked of a port and how it was answered; by our own names, for no MIB has any.
    package func counters(of port: String) -> [Counter: UInt64] {
        let counters = served[port]?.ledger.counters ?? LibvirtLedger.Counters()
        return [
            .libvirtRequests: counters.requests, .libvirtRequestsGivenUp: counters.requestsGivenUp,
            .libvirtPolls: counters.polls, .libvirtPollsHeld: counters.pollsHeld,
            .libvirtHoldsExpired: counters.holdsExpired, .libvirtHoldsDeclined: counters.holdsDeclined,
        ]
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
        case RequestRefusal.unfit(let error): self.init(error)
        case RequestRefusal.unusableLink(let problem, _): self.init(code: EINVAL, problem: problem)
        case RequestRefusal.unstored(let error):
            self.init(code: error.code, problem: "the VSI cannot be stored, and a restart would lose it: \(error)")
        case VSIRequestError.tooManyVSIs(let limit):
            self.init(
                code: ENOMEM, problem: "the port has \(limit) VSIs already: \(ResourcePool.remedy(.vsisPerPort))")
        case VSIRequestError.noRoom(let limit):
            self.init(
                code: ENOMEM, problem: "the limit of \(limit.rawValue) is reached: \(ResourcePool.remedy(limit))")
        case VSIRequestError.goesBackward: self.init(code: EINVAL, problem: "the VSI is already in a higher state")
        case VSIRequestError.tooLong: self.init(code: EINVAL, problem: "the VSI does not fit a frame")
        case VSIRequestError.unknownVSI: self.init(code: EINVAL, problem: "unknown VSI")
        default: self.init(code: EINVAL, problem: "the filter cannot be used: \(error)")
        }
    }
}
