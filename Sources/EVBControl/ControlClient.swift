// A blocking client: one connection, one call at a time, every wait with an end.

internal import Glibc
public import JSON
internal import LinuxSystem

/// Why a call came to nothing.
public enum ControlClientError: Error, Sendable, Equatable {
    /// Why a socket cannot be connected to.
    public enum Cause: Sendable, Equatable {
        /// There is no such file.
        case absent
        /// The file is there, and nobody listens.
        case abandoned
        /// The user may not use it.
        case forbidden
        /// Too many are waiting to be served.
        case overrun
        /// Something else, in the words of the system.
        case other(String)
    }

    /// Nobody listens at the socket, or it may not be used.
    case noDaemon(socket: String, cause: Cause)
    /// The daemon took the call and did not answer in time.
    case silent(socket: String, milliseconds: Int)
    /// The daemon closed the connection before it answered.
    case closed(socket: String)
    /// What answers is no evbd, or one that is too different.
    case garbled(socket: String, detail: String)
    /// evbd answered with an error of its own.
    case refused(ControlError)
    /// evbd does not know the call in this form: an error of org.varlink.service or an unknown one.
    case misunderstood(error: String, detail: String?)
}

/// A reply as it came, to be read as a type or passed on as it is.
public struct ControlAnswer: Sendable, Equatable {
    /// The parameters of the reply, an object.
    public let parameters: JSONValue
    fileprivate let socket: String

    /// Reads a member of the parameters as a type.
    ///
    /// - Parameters:
    ///   - key: the member.
    ///   - type: what it is.
    /// - Returns: the value.
    /// - Throws: ``ControlClientError/garbled(socket:detail:)``.
    public func value<Value: Decodable>(_ key: String, as type: Value.Type) throws(ControlClientError) -> Value {
        let json = parameters[key] ?? .null
        do {
            return try JSONCoding.decode(type, from: json)
        } catch {
            let place = JSONCoding.place(of: error)
            let path = place.isEmpty || place.hasPrefix("[") ? key + place : "\(key).\(place)"
            throw .garbled(socket: socket, detail: "\(path) has an unexpected value in the reply")
        }
    }
}

/// A connection to evbd.
public final class ControlClient {
    private let socket: String
    private let descriptor: FileDescriptor
    private var decoder = VarlinkDecoder(limit: VarlinkDecoder.maximumReply)

    /// Connects.
    ///
    /// - Parameters:
    ///   - socket: the path of the control socket.
    ///   - patienceSeconds: how long to wait in the queue of those who have not been accepted.
    /// - Throws: ``ControlClientError/noDaemon(socket:cause:)``.
    public init(socket: String, patienceSeconds: Int = 10) throws(ControlClientError) {
        self.socket = socket
        do {
            descriptor = try UnixSocket.connect(socket, patienceSeconds: patienceSeconds)
        } catch {
            let cause: ControlClientError.Cause =
                switch error.code {
                case ENOENT: .absent
                case ECONNREFUSED: .abandoned
                case EACCES, EPERM: .forbidden
                case EAGAIN: .overrun
                default: .other("\(error)")
                }
            throw .noDaemon(socket: socket, cause: cause)
        }
    }

    /// Calls a method and waits for its one reply.
    ///
    /// - Parameters:
    ///   - method: the method.
    ///   - parameters: its parameters.
    ///   - timeoutMilliseconds: how long to wait; at least 0.
    ///   - onSent: called when evbd has the call.
    /// - Returns: the reply.
    /// - Throws: ``ControlClientError``.
    public func call(
        _ method: ControlMethod, _ parameters: some Encodable, timeoutMilliseconds: Int, onSent: () -> Void = {}
    ) throws(ControlClientError) -> ControlAnswer {
        let deadline = Self.deadline(timeoutMilliseconds)
        try send(call(method, parameters, more: false), until: deadline, timeoutMilliseconds)
        onSent()
        return try reply(until: deadline, timeoutMilliseconds).answer
    }

    /// Calls a method and gives every reply as it comes.
    ///
    /// - Parameters:
    ///   - method: the method.
    ///   - parameters: its parameters.
    ///   - timeoutMilliseconds: how long to wait for each reply; nil waits for ever.
    ///   - body: takes a reply, and tells whether to wait for the next. After a no the client is of no more use.
    /// - Throws: ``ControlClientError``.
    public func stream(
        _ method: ControlMethod, _ parameters: some Encodable, timeoutMilliseconds: Int?,
        _ body: (ControlAnswer) throws(ControlClientError) -> Bool
    ) throws(ControlClientError) {
        let shown = timeoutMilliseconds ?? 0
        try send(call(method, parameters, more: true), until: timeoutMilliseconds.map(Self.deadline), shown)
        while true {
            let (answer, continues) = try reply(until: timeoutMilliseconds.map(Self.deadline), shown)
            guard try body(answer), continues else { return }
        }
    }

    /// Calls a method that streams; ``nextEvent(within:)`` gives its replies.
    ///
    /// - Throws: ``ControlClientError``.
    public func subscribe(
        _ method: ControlMethod, _ parameters: some Encodable, timeoutMilliseconds: Int = 10_000
    ) throws(ControlClientError) {
        let deadline = Self.deadline(timeoutMilliseconds)
        try send(call(method, parameters, more: true), until: deadline, timeoutMilliseconds)
    }

    /// The next reply of a stream.
    ///
    /// - Parameter milliseconds: how long to wait.
    /// - Returns: nil where none came in time.
    /// - Throws: ``ControlClientError``.
    public func nextEvent(within milliseconds: Int) throws(ControlClientError) -> ControlAnswer? {
        do throws(ControlClientError) {
            return try reply(until: Self.deadline(milliseconds), milliseconds).answer
        } catch {
            if case .silent = error { return nil }
            throw error
        }
    }

    private func call(_ method: ControlMethod, _ parameters: some Encodable, more: Bool) -> [UInt8] {
        let json: JSONValue
        do {
            json = try JSONValue(parsing: JSONCoding.encode(parameters))
        } catch {
            preconditionFailure("our own parameters cannot be read: \(error)")
        }
        return VarlinkCall(method: method.qualifiedName, parameters: json, more: more).octets
    }

    private static func deadline(_ milliseconds: Int) -> UInt64 {
        MonotonicClock.now() &+ UInt64(clamping: max(milliseconds, 0)) &* 1_000_000
    }

    private func send(_ octets: [UInt8], until deadline: UInt64?, _ milliseconds: Int) throws(ControlClientError) {
        var rest = octets[...]
        while !rest.isEmpty {
            do {
                if let written = try UnixSocket.write(descriptor.rawValue, rest) {
                    rest = rest.dropFirst(written)
                    continue
                }
                guard try UnixSocket.wait(descriptor.rawValue, forWriting: true, until: deadline) else { break }
            } catch {
                // The daemon has closed. What it said before that can still be read, and tells more.
                return
            }
        }
        guard rest.isEmpty else { throw .silent(socket: socket, milliseconds: milliseconds) }
    }

    private func reply(
        until deadline: UInt64?, _ milliseconds: Int
    ) throws(ControlClientError) -> (answer: ControlAnswer, continues: Bool) {
        let message = try message(until: deadline, milliseconds)
        let reply: VarlinkReply
        do {
            reply = try VarlinkReply(message: message)
        } catch {
            throw .garbled(socket: socket, detail: "\(error)")
        }
        if let name = reply.error {
            if let error = ControlError(name: name, parameters: reply.parameters) { throw .refused(error) }
            var detail: String?
            if case .object(let members) = reply.parameters, case .string(let text)? = members.first?.value {
                detail = text
            }
            throw .misunderstood(error: name, detail: detail)
        }
        return (ControlAnswer(parameters: reply.parameters, socket: socket), reply.continues)
    }

    private func message(until deadline: UInt64?, _ milliseconds: Int) throws(ControlClientError) -> [UInt8] {
        while true {
            do {
                if let message = try decoder.next() { return message }
            } catch {
                throw .garbled(socket: socket, detail: "\(error)")
            }
            var octets: [UInt8]?
            var inTime = true
            do {
                octets = try UnixSocket.read(descriptor.rawValue, upTo: 64 << 10)
                if octets == nil {
                    inTime = try UnixSocket.wait(descriptor.rawValue, forWriting: false, until: deadline)
                }
            } catch {
                throw .closed(socket: socket)
            }
            guard inTime else { throw .silent(socket: socket, milliseconds: milliseconds) }
            guard let octets else { continue }
            guard !octets.isEmpty else { throw .closed(socket: socket) }
            decoder.append(octets)
        }
    }
}
