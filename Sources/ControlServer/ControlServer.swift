// The control socket: who may connect, how many, and what becomes of their calls.

package import EVBControl
internal import EVBPorts
package import EventLoop
internal import Glibc
internal import JSON
internal import LinuxSystem
package import Logging

/// Why the control socket cannot be had.
package enum ControlServerError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Another process answers at the socket.
    case inUse(path: String)
    /// Something that is no socket has its name.
    case notASocket(path: String)
    /// The directory that it belongs in is not there.
    case noDirectory(path: String)
    /// The path does not fit in an address.
    case pathTooLong(path: String)
    /// The configured group is not known on this host.
    case noSuchGroup(String)
    /// The group may not be given to the socket.
    case groupRefused(String, cause: String)
    /// The system refused, in its own words.
    case system(String)

    /// What is wrong and what to do.
    package var description: String {
        switch self {
        case .inUse(let path):
            "another process answers on \(path): stop it, or set another path under control"
        case .notASocket(let path):
            "\(path) exists and is not a socket: remove it, or set another path under control"
        case .noDirectory(let path):
            "the directory of \(path) does not exist: create it, or set another path under control"
        case .pathTooLong(let path):
            "\(path) is too long for a socket: give one under control of at most \(UnixSocket.longestPath) octets"
        case .noSuchGroup(let group):
            "there is no group \(group): create it, or set another under control"
        case .groupRefused(let group, let cause):
            "the control socket cannot be given to the group \(group) (\(cause)): run evbd as a member of it"
        case .system(let cause):
            "the control socket cannot be opened: \(cause)"
        }
    }
}

/// Serves io.evbd on a Unix socket.
package final class ControlServer {
    /// The bounds of the server.
    package struct Limits: Sendable, Equatable {
        /// How many clients are served at a time.
        package var clients: Int
        /// How many of them may be one user's.
        package var clientsPerUser: Int
        /// The longest call in octets.
        package var messageOctets: Int
        /// How many octets may wait for a client that does not read before it is dropped.
        package var queuedOctets: Int
        /// How many octets may wait in all, on their way to clients or from them, before who has most of them is dropped.
        package var heldOctets: Int

        /// Makes a set of bounds, each at least 1.
        package init(
            clients: Int = 256, clientsPerUser: Int = 64, messageOctets: Int = VarlinkDecoder.maximumCall,
            queuedOctets: Int = 4 << 20, heldOctets: Int = 32 << 20
        ) {
            precondition(clients > 0 && clientsPerUser > 0 && messageOctets > 0 && queuedOctets > 0 && heldOctets > 0)
            self.clients = clients
            self.clientsPerUser = clientsPerUser
            self.messageOctets = messageOctets
            self.queuedOctets = queuedOctets
            self.heldOctets = heldOctets
        }
    }

    /// What the server has seen since it started.
    package struct Counters: Sendable, Equatable {
        /// Clients that were served.
        package var accepted = 0
        /// Clients that were closed at once because there were too many.
        package var surplus = 0
        /// Clients that were closed to make a place for others.
        package var displaced = 0
        /// Clients that were closed for octets that are no varlink, or too many of them.
        package var broken = 0
        /// Clients that were dropped because they did not read.
        package var slow = 0
        /// Calls that were read.
        package var calls = 0

        package init(
            accepted: Int = 0, surplus: Int = 0, displaced: Int = 0, broken: Int = 0, slow: Int = 0, calls: Int = 0
        ) {
            self.accepted = accepted
            self.surplus = surplus
            self.displaced = displaced
            self.broken = broken
            self.slow = slow
            self.calls = calls
        }
    }

    /// Why a connection ends.
    package enum End {
        case done, gone, broken, slow, displaced
    }

    /// What a client of a socket may ask for.
    package enum Access: Sendable, Equatable {
        /// Everything.
        case full
        /// What changes nothing.
        case readOnly
    }

    /// Clients taken in one turn; more are for the next, after those that are here already.
    private static let acceptsPerTurn = 16
    /// How long a turn may work for clients, in nanoseconds, before the ports have theirs; one piece of work is always done.
    private static let workPerTurn: UInt64 = 500_000

    /// Octets that one turn takes from a client.
    private static let readPerTurn = 64 << 10

    /// The socket's path.
    package let path: String
    /// What the server has seen since it started.
    package private(set) var counters = Counters()
    /// How many clients are connected.
    package var clientCount: Int { connections.count }

    package let limits: Limits
    package let loop: EventLoop
    /// Where clients' octets arrive, one client's after the other's. Most calls have a few hundred of them: room for the longest, taken for each
    /// call, would be asked of the kernel and given back each time.
    let input = ReceiveBuffer(length: readPerTurn)
    private let access: Access
    private let logger: Logger
    private let version: String
    /// Descriptors that clients may not have: ports that come, files that are written and rules that are made need some.
    private static let keptDescriptors = 16
    /// How many clients there may be while descriptors are few.
    private var clientsMax: Int?
    private weak var service: (any ControlService)?
    private let listener: FileDescriptor
    /// Given up for a moment when the process has no descriptor left, so that a waiting client can be turned away.
    private var reserve: FileDescriptor?
    private var watch: EventLoop.Watch?
    private var connections: [ObjectIdentifier: ControlConnection] = [:]
    /// Users for whose clients there is something to do, in the order in which they have their turns.
    private var turns: [UInt32] = []
    /// Those clients, in the same order.
    private var ready: [UInt32: [ControlConnection]] = [:]
    private var workIsDue = false
    private var heldOctets = 0

    /// Takes the socket and serves from the next turn of the loop on.
    ///
    /// A socket file that a crashed process left behind is replaced; one where somebody answers is not.
    /// - Parameters:
    ///   - loop: the loop on whose thread everything happens.
    ///   - path: the path of the socket; its directory has to exist.
    ///   - users: who may connect.
    ///   - access: what they may ask for.
    ///   - version: what GetInfo tells as evbd's version.
    ///   - service: what does the work; held weakly.
    ///   - limits: the bounds.
    ///   - logger: where the server reports.
    /// - Throws: ``ControlServerError``; nothing is left behind then.
    package init(
        loop: EventLoop, path: String, users: ControlUsers, access: Access = .full, version: String,
        service: any ControlService, limits: Limits = Limits(), logger: Logger
    ) throws(ControlServerError) {
        self.loop = loop
        self.path = path
        self.access = access
        self.version = version
        self.service = service
        self.limits = limits
        self.logger = logger
        listener = try ControlSocketFile.listen(path, users: users)
        reserve = UnixSocket.spare()
        do {
            watch = try loop.watch(listener.rawValue, for: .readable) { [weak self] _ in self?.acceptAll() }
        } catch {
            _ = try? Files.unlink(path)
            throw .system("\(error)")
        }
    }

    deinit {
        close()
    }

    /// Closes the socket and every connection, and removes the file.
    ///
    /// Idempotent.
    package func close() {
        guard let watch else { return }
        watch.cancel()
        self.watch = nil
        _ = try? Files.unlink(path)
        for connection in connections.values { connection.end() }
        connections = [:]
        turns = []
        ready = [:]
        reserve = nil
    }

    // MARK: Clients

    private func acceptAll() {
        for _ in 0..<Self.acceptsPerTurn {
            do {
                guard let descriptor = try UnixSocket.accept(listener) else { return }
                admit(descriptor)
                // Who has given up a place has it until the end of the turn.
                if clientsMax != nil { return }
            } catch {
                guard error.code == EMFILE || error.code == ENFILE else { continue }
                turnAway()
                return
            }
        }
    }

    private func admit(_ descriptor: consuming FileDescriptor) {
        noteRoom(behind: descriptor.rawValue)
        do {
            let peer = try UnixSocket.peer(of: descriptor.rawValue)
            guard makePlace(for: peer) else {
                counters.surplus += 1
                refuse(descriptor, peer)
                return
            }
            let connection = try ControlConnection(descriptor: descriptor, peer: peer, server: self, loop: loop)
            connections[ObjectIdentifier(connection)] = connection
            counters.accepted += 1
        } catch {
            log(.warning, "control client cannot be served", ["error": "\(error)"])
        }
    }

    /// Sees whether enough descriptors are left; the kernel gives the lowest number that is free, so a new one tells how many are
    /// taken. Where they are few there may be as many clients as there are then, until a good many of them have gone.
    private func noteRoom(behind descriptor: Int32) {
        let present = connections.values.count { !$0.isClosed }
        if Int(descriptor) + Self.keptDescriptors >= Processes.descriptorLimit {
            if clientsMax == nil {
                log(
                    .warning, "few descriptors are left: who comes takes another client's place; raise LimitNOFILE",
                    ["limit": "\(Processes.descriptorLimit)", "clients": "\(present)"])
            }
            clientsMax = min(clientsMax ?? .max, present)
        } else if let clientsMax, present + Self.keptDescriptors <= clientsMax {
            self.clientsMax = nil
        }
    }

    /// Whether there is a place, after somebody else has given one up if need be.
    private func makePlace(for peer: PeerCredentials) -> Bool {
        let present = connections.values.filter { !$0.isClosed }
        var limits = limits
        limits.clients = min(limits.clients, clientsMax ?? .max)
        guard present.count >= min(limits.clients, limits.clientsPerUser) else { return true }
        let now = loop.now()
        switch ControlAdmission.decide(user: peer.uid, among: present.map { $0.place(at: now) }, limits: limits) {
        case .admitted: return true
        case .inPlaceOf(let index):
            log(
                .notice, "a control client is closed to make a place for another",
                ["uid": "\(present[index].peer.uid)", "clients": "\(present.count)"])
            present[index].giveWay()
            return true
        case .refused: return false
        }
    }

    /// Says why, as far as that can be said without waiting, and closes.
    private func refuse(_ descriptor: borrowing FileDescriptor, _ peer: PeerCredentials) {
        log(.notice, "control client turned away: its user has as many as may be", ["uid": "\(peer.uid)"])
        let error = ControlError(
            .busy(limit: "clients of user \(peer.uid)"),
            hint: "close other connections to evbd (ss -xp lists them), or try again later")
        _ = try? UnixSocket.write(
            descriptor.rawValue, VarlinkReply(parameters: error.parameters, error: error.name).octets[...])
    }

    /// With no descriptor left a waiting client would be reported turn after turn: the reserve lets it in and out.
    private func turnAway() {
        log(.warning, "control client turned away: no descriptor left")
        counters.surplus += 1
        reserve = nil
        do {
            _ = try UnixSocket.accept(listener)
        } catch {
            log(.debug, "control client cannot be turned away", ["error": "\(error)"])
        }
        reserve = UnixSocket.spare()
    }

    package func forget(_ connection: ControlConnection, _ reason: End) {
        switch reason {
        case .done, .gone: break
        case .broken: counters.broken += 1
        case .slow: counters.slow += 1
        case .displaced: counters.displaced += 1
        }
        // Later: it may be in the middle of one of its own methods.
        loop.later { [weak self] in self?.connections[ObjectIdentifier(connection)] = nil }
    }

    /// Logs what clients have caused. The log's quota bounds it.
    package func log(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata = [:]) {
        logger.log(level: level, "\(message)", metadata: metadata, source: LogSource.clients)
    }

    // MARK: Work

    /// Has a client wait for its turn: a piece of work for each user, one client after the other, whoever has how many of them
    /// and wants how much.
    package func queue(_ connection: ControlConnection) {
        guard !connection.isQueued else { return }
        connection.isQueued = true
        let user = connection.peer.uid
        if ready[user] == nil { turns.append(user) }
        ready[user, default: []].append(connection)
        workLater()
    }

    private func workLater() {
        guard !workIsDue, !turns.isEmpty else { return }
        workIsDue = true
        loop.later { [weak self] in self?.work() }
    }

    private func work() {
        workIsDue = false
        let end = loop.now() &+ Self.workPerTurn
        repeat {
            guard let connection = nextInTurn() else { break }
            connection.isQueued = false
            connection.work()
        } while loop.now() < end
        workLater()
    }

    private func nextInTurn() -> ControlConnection? {
        guard !turns.isEmpty else { return nil }
        let user = turns.removeFirst()
        guard var waiting = ready.removeValue(forKey: user), !waiting.isEmpty else { return nil }
        let connection = waiting.removeFirst()
        if !waiting.isEmpty {
            ready[user] = waiting
            turns.append(user)
        }
        return connection
    }

    /// Keeps account of what waits for all clients, and drops who has most where that is too much.
    package func hold(_ change: Int) {
        heldOctets += change
        guard change > 0, heldOctets > limits.heldOctets else { return }
        connections.values.filter { !$0.isClosed }.max { $0.held < $1.held }?.drop()
    }

    // MARK: Calls

    package func handle(_ call: VarlinkCall, from peer: PeerCredentials, reply: ControlReplyHandle) {
        counters.calls += 1
        guard !call.upgrade else {
            return refuse(reply, VarlinkService.methodNotImplemented, "method", call.method)
        }
        guard let dot = call.method.utf8.lastIndex(of: UInt8(ascii: ".")) else {
            return refuse(reply, VarlinkService.interfaceNotFound, "interface", call.method)
        }
        let method = String(call.method[call.method.utf8.index(after: dot)...])
        switch call.method[..<dot] {
        case VarlinkService.name: answerStandard(method, call, reply)
        case ControlInterface.name:
            guard let known = ControlMethod(rawValue: method) else {
                return refuse(reply, VarlinkService.methodNotFound, "method", call.method)
            }
            guard !known.isStream || call.more else {
                _ = reply.answer(octets: VarlinkReply(error: VarlinkService.expectedMore).octets)
                return
            }
            serve(known, from: peer, reply) { try ControlRequest(known, call.parameters) }
        default: refuse(reply, VarlinkService.interfaceNotFound, "interface", String(call.method[..<dot]))
        }
    }

    /// Does a call that was read in one pass.
    func handle(_ call: PlainCall, from peer: PeerCredentials, reply: ControlReplyHandle) {
        counters.calls += 1
        switch call {
        case .getStatus: serve(.getStatus, from: peer, reply) { .getStatus }
        case .associate(let request): serve(.associate, from: peer, reply) { .associate(request) }
        case .deassociate(let request): serve(.deassociate, from: peer, reply) { .deassociate(request) }
        }
    }

    /// Has the service do what a client may ask on this socket.
    private func serve(
        _ method: ControlMethod, from peer: PeerCredentials, _ reply: ControlReplyHandle,
        _ request: () throws -> ControlRequest
    ) {
        guard access == .full || !method.changesSomething else {
            reply.fail(ControlError(.readOnly(method: method.rawValue)))
            return
        }
        guard access == .full || !method.showsWire else {
            reply.fail(ControlError(.notShown(method: method.rawValue)))
            return
        }
        do {
            let request = try request()
            guard let service else {
                reply.fail(ControlError(.busy(limit: "work"), message: "evbd is stopping", hint: ""))
                return
            }
            service.handle(request, from: peer, reply: reply)
        } catch let error as ControlError {
            reply.fail(error)
        } catch {
            refuse(reply, VarlinkService.invalidParameter, "parameter", JSONCoding.place(of: error))
        }
    }

    private func answerStandard(_ method: String, _ call: VarlinkCall, _ reply: ControlReplyHandle) {
        let parameters: JSONValue
        switch method {
        case "GetInfo":
            parameters = .object([
                .init("vendor", .string("evbd")), .init("product", .string("evbd")),
                .init("version", .string(version)), .init("url", .string("https://varlink.org")),
                .init("interfaces", .array([.string(VarlinkService.name), .string(ControlInterface.name)])),
            ])
        case "GetInterfaceDescription":
            guard case .string(let name)? = call.parameters["interface"] else {
                return refuse(reply, VarlinkService.invalidParameter, "parameter", "interface")
            }
            let descriptions = [
                VarlinkService.name: VarlinkService.description, ControlInterface.name: ControlInterface.description,
            ]
            guard let description = descriptions[name] else {
                return refuse(reply, VarlinkService.interfaceNotFound, "interface", name)
            }
            parameters = .object([.init("description", .string(description))])
        default: return refuse(reply, VarlinkService.methodNotFound, "method", call.method)
        }
        _ = reply.answer(octets: VarlinkReply(parameters: parameters).octets)
    }

    private func refuse(_ reply: ControlReplyHandle, _ error: String, _ key: String, _ value: String) {
        let parameters = JSONValue.object([JSONValue.Member(key, .string(value))])
        _ = reply.answer(octets: VarlinkReply(parameters: parameters, error: error).octets)
    }
}
