// The control socket: who may connect, how many, and what becomes of their calls.

public import EVBControl
public import EventLoop
internal import Glibc
internal import LinuxSystem
public import Logging

/// Why the control socket cannot be had.
public enum ControlServerError: Error, Sendable, Equatable, CustomStringConvertible {
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
    public var description: String {
        switch self {
        case .inUse(let path):
            "another process answers on \(path): stop it, or set control.socket to another path"
        case .notASocket(let path):
            "\(path) exists and is no socket: remove it, or set control.socket to another path"
        case .noDirectory(let path):
            "the directory of \(path) does not exist: create it, or set control.socket to another path"
        case .pathTooLong(let path):
            "\(path) is too long for a socket: give control.socket at most \(UnixSocket.longestPath) octets"
        case .noSuchGroup(let group):
            "there is no group \(group): create it, or set control.group to another"
        case .groupRefused(let group, let cause):
            "the control socket cannot be given to the group \(group) (\(cause)): run evbd as a member of it"
        case .system(let cause):
            "the control socket cannot be had: \(cause)"
        }
    }
}

/// Serves io.evbd on a Unix socket.
public final class ControlServer {
    /// The bounds of the server.
    public struct Limits: Sendable, Equatable {
        /// How many clients are served at a time; one more is closed at once.
        public var clients: Int
        /// The longest call in octets.
        public var messageOctets: Int
        /// How many octets may wait for a client that does not read before it is dropped.
        public var queuedOctets: Int

        /// Makes a set of bounds, each at least 1.
        public init(
            clients: Int = 64, messageOctets: Int = VarlinkDecoder.maximumCall, queuedOctets: Int = 4 << 20
        ) {
            precondition(clients > 0 && messageOctets > 0 && queuedOctets > 0)
            self.clients = clients
            self.messageOctets = messageOctets
            self.queuedOctets = queuedOctets
        }
    }

    /// What the server has seen since it started.
    public struct Counters: Sendable, Equatable {
        /// Clients that were served.
        public var accepted = 0
        /// Clients that were closed at once because there were too many.
        public var surplus = 0
        /// Clients that were closed for octets that are no varlink, or too many of them.
        public var broken = 0
        /// Clients that were dropped because they did not read.
        public var slow = 0
        /// Calls that were read.
        public var calls = 0
    }

    /// Why a connection ends.
    enum End {
        case done, gone, broken, slow
    }

    /// The socket's path.
    public let path: String
    /// What the server has seen since it started.
    public private(set) var counters = Counters()
    /// How many clients are connected.
    public var clientCount: Int { connections.count }

    let limits: Limits
    let logger: Logger
    private let loop: EventLoop
    private let version: String
    /// Descriptors that clients may not have: ports that come, files that are written and rules that are made need some.
    private static let keptDescriptors: Int32 = 16
    private var isShort = false
    private weak var service: (any ControlService)?
    private let listener: FileDescriptor
    /// Given up for a moment when the process has no descriptor left, so that a waiting client can be turned away.
    private var reserve: FileDescriptor?
    private var watch: EventLoop.Watch?
    private var connections: [ObjectIdentifier: ControlConnection] = [:]

    /// Takes the socket and serves from the next turn of the loop on.
    ///
    /// A socket file that a crashed process left behind is replaced; one where somebody answers is not.
    /// - Parameters:
    ///   - loop: the loop on whose thread everything happens.
    ///   - path: the path of the socket; its directory has to exist.
    ///   - group: the group that may connect; nil takes `evbd` if that exists and may be given, else the daemon's own.
    ///   - version: what GetInfo tells as evbd's version.
    ///   - service: what does the work; held weakly.
    ///   - limits: the bounds.
    ///   - logger: where the server reports.
    /// - Throws: ``ControlServerError``; nothing is left behind then.
    public init(
        loop: EventLoop, path: String, group: String?, version: String, service: any ControlService,
        limits: Limits = Limits(), logger: Logger
    ) throws(ControlServerError) {
        self.loop = loop
        self.path = path
        self.version = version
        self.service = service
        self.limits = limits
        self.logger = logger
        listener = try ControlSocketFile.listen(path, group: group)
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
    public func close() {
        guard let watch else { return }
        watch.cancel()
        self.watch = nil
        _ = try? Files.unlink(path)
        for connection in connections.values { connection.end() }
        connections = [:]
        reserve = nil
    }

    // MARK: Clients

    private func acceptAll() {
        // As many as can wait at once; more are for the next turn.
        for _ in 0..<ControlSocketFile.backlog {
            do {
                guard let descriptor = try UnixSocket.accept(listener) else { return }
                admit(descriptor)
            } catch {
                guard error.code == EMFILE || error.code == ENFILE else { continue }
                turnAway()
                return
            }
        }
    }

    private func admit(_ descriptor: consuming FileDescriptor) {
        guard connections.count < limits.clients, hasRoom(behind: descriptor.rawValue) else {
            counters.surplus += 1
            logger.debug("control client turned away", metadata: ["clients": "\(connections.count)"])
            return
        }
        do {
            let peer = try UnixSocket.peer(of: descriptor.rawValue)
            let connection = try ControlConnection(descriptor: descriptor, peer: peer, server: self, loop: loop)
            connections[ObjectIdentifier(connection)] = connection
            counters.accepted += 1
        } catch {
            logger.warning("control client cannot be served", metadata: ["error": "\(error)"])
        }
    }

    /// Whether enough descriptors are left; the kernel gives the lowest number that is free, so a new one tells how many there are.
    private func hasRoom(behind descriptor: Int32) -> Bool {
        let isShort = Int(descriptor) + Int(Self.keptDescriptors) >= Processes.descriptorLimit
        if isShort, !self.isShort {
            logger.warning(
                "control clients are turned away: few descriptors are left; raise LimitNOFILE",
                metadata: ["limit": "\(Processes.descriptorLimit)", "clients": "\(connections.count)"])
        }
        self.isShort = isShort
        return !isShort
    }

    /// With no descriptor left a waiting client would be reported turn after turn: the reserve lets it in and out.
    private func turnAway() {
        logger.warning("control client turned away: no descriptor left")
        counters.surplus += 1
        reserve = nil
        do {
            _ = try UnixSocket.accept(listener)
        } catch {
            logger.debug("control client cannot be turned away", metadata: ["error": "\(error)"])
        }
        reserve = UnixSocket.spare()
    }

    func forget(_ connection: ControlConnection, _ reason: End) {
        switch reason {
        case .done, .gone: break
        case .broken: counters.broken += 1
        case .slow: counters.slow += 1
        }
        // Later: it may be in the middle of one of its own methods.
        loop.later { [weak self] in self?.connections[ObjectIdentifier(connection)] = nil }
    }

    // MARK: Calls

    func handle(_ call: VarlinkCall, from peer: PeerCredentials, reply: ControlReplyHandle) {
        counters.calls += 1
        guard !call.upgrade else {
            return refuse(reply, VarlinkService.methodNotImplemented, "method", call.method)
        }
        guard let dot = call.method.lastIndex(of: ".") else {
            return refuse(reply, VarlinkService.interfaceNotFound, "interface", call.method)
        }
        let method = String(call.method[call.method.index(after: dot)...])
        switch call.method[..<dot] {
        case VarlinkService.name: answerStandard(method, call, reply)
        case ControlInterface.name:
            guard let known = ControlMethod(rawValue: method) else {
                return refuse(reply, VarlinkService.methodNotFound, "method", call.method)
            }
            guard known != .monitor || call.more else {
                _ = reply.answer(octets: VarlinkReply(error: VarlinkService.expectedMore).octets)
                return
            }
            do {
                let request = try ControlRequest(known, call.parameters)
                guard let service else {
                    reply.fail(ControlError(.busy(limit: "work"), message: "evbd is stopping", hint: ""))
                    return
                }
                service.handle(request, from: peer, reply: reply)
            } catch {
                refuse(reply, VarlinkService.invalidParameter, "parameter", JSONCoding.place(of: error))
            }
        default: refuse(reply, VarlinkService.interfaceNotFound, "interface", String(call.method[..<dot]))
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

extension ControlRequest {
    /// Reads a request from the parameters of a call.
    ///
    /// - Throws: DecodingError with the place of what does not fit.
    init(_ method: ControlMethod, _ parameters: JSONValue) throws {
        func read<Value: Decodable>(_ type: Value.Type) throws -> Value {
            try JSONCoding.decode(type, from: parameters)
        }
        func readNothing(_ request: ControlRequest) throws -> ControlRequest {
            _ = try read(NoParameters.self)
            return request
        }
        switch method {
        case .getVersion: self = try readNothing(.getVersion)
        case .getStatus: self = try readNothing(.getStatus)
        case .listPorts: self = try readNothing(.listPorts)
        case .monitor: self = try readNothing(.monitor)
        case .getPort: self = .getPort(interface: try read(GetPortRequest.self).interface)
        case .listVSIs:
            let request = try read(ListVSIsRequest.self)
            self = .listVSIs(port: request.port, state: request.state)
        case .getVSI: self = .getVSI(vsiID: try read(GetVSIRequest.self).vsiID)
        case .associate:
            // Associate has no key `reserve`, whatever its value.
            guard parameters["reserve"] == nil else { throw VSIRequest.unknownKey("reserve") }
            self = .associate(try read(VSIRequest.self))
        case .preAssociate: self = .preAssociate(try read(VSIRequest.self))
        case .deassociate: self = .deassociate(try read(DeassociateRequest.self))
        case .getStatistics:
            self = .getStatistics(interface: try read(GetStatisticsRequest.self).interface)
        case .misbehave: self = .misbehave(try read(MisbehaveRequest.self))
        }
    }
}
