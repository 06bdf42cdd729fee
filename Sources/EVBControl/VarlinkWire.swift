// Varlink on the wire: a JSON object and a NUL for each message. https://varlink.org/Method-Call

public import JSON

/// Why a stream of octets is no varlink.
public enum VarlinkError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A message is longer than the reader takes.
    case oversized(limit: Int)
    /// A message is no JSON that is taken here.
    case json(JSONError)
    /// A message is JSON, and neither a call nor a reply; the text tells why.
    case shape(String)

    /// What is wrong, for a log.
    public var description: String {
        switch self {
        case .oversized(let limit): "a message is longer than \(limit) octets"
        case .json(let error): "a message cannot be parsed: \(error)"
        case .shape(let reason): "a message is not varlink: \(reason)"
        }
    }
}

/// Cuts a stream of octets into messages.
///
/// Octets may come in any portions. It holds what has come and not been taken, and is bounded by its caller's reading
/// no more while it is ``isFull``.
public struct VarlinkDecoder: Sendable {
    /// The longest call in octets, without its NUL: twice the longest that means anything, and read in a few milliseconds.
    public static let maximumCall = 64 << 10
    /// The longest reply in octets that a client takes.
    public static let maximumReply = 16 << 20

    /// Room that stays while nothing waits: a client that has sent thousands of calls at once may stay connected.
    private static let keptCapacity = 64 << 10

    private let limit: Int
    private var buffer: [UInt8] = []
    private var start = 0
    /// Up to where there is no NUL, so that a message in a thousand portions is looked through once.
    private var searched = 0

    /// Makes a decoder.
    ///
    /// - Parameter limit: the longest message in octets, without its NUL; at least 1.
    public init(limit: Int) {
        precondition(limit > 0)
        self.limit = limit
    }

    /// How many octets wait to be taken.
    public var count: Int { buffer.count - start }

    /// Whether enough has come that nothing more should be read before messages are taken.
    public var isFull: Bool { count > limit }

    /// Adds what has come.
    public mutating func append(_ octets: [UInt8]) { octets.withUnsafeBytes { append($0) } }

    /// Adds what has come.
    public mutating func append(_ octets: UnsafeRawBufferPointer) {
        if start > 0, start == buffer.count || start > 64 << 10 {
            buffer.removeFirst(start)
            searched -= start
            start = 0
        }
        buffer.append(contentsOf: octets)
    }

    /// Takes the next whole message.
    ///
    /// - Returns: its octets without the NUL, or nil until more has come.
    /// - Throws: ``VarlinkError/oversized(limit:)``; the stream cannot be read on after that.
    public mutating func next() throws(VarlinkError) -> [UInt8]? {
        guard let end = buffer[searched...].firstIndex(of: 0) else {
            searched = buffer.count
            guard count <= limit else { throw .oversized(limit: limit) }
            return nil
        }
        guard end - start <= limit else { throw .oversized(limit: limit) }
        let message = Array(buffer[start..<end])
        start = end + 1
        searched = start
        if count == 0, buffer.capacity > Self.keptCapacity { (buffer, start, searched) = ([], 0, 0) }
        return message
    }

    /// Octets that it has room for without asking for more.
    var capacity: Int { buffer.capacity }
}

/// A call: a method, its parameters, and how it wants to be answered.
public struct VarlinkCall: Sendable, Equatable {
    /// The method with its interface, such as `io.evbd.GetStatus`.
    public var method: String
    /// The parameters, an object.
    public var parameters: JSONValue
    /// Whether no reply is wanted, not even an error.
    public var oneway: Bool
    /// Whether several replies are welcome.
    public var more: Bool
    /// Whether the connection is to be given to another protocol after the reply.
    public var upgrade: Bool

    /// Makes a call.
    public init(
        method: String, parameters: JSONValue = .object([]), oneway: Bool = false, more: Bool = false,
        upgrade: Bool = false
    ) {
        self.method = method
        self.parameters = parameters
        self.oneway = oneway
        self.more = more
        self.upgrade = upgrade
    }

    /// Reads a call from a message.
    ///
    /// - Parameter message: the octets without the NUL.
    /// - Throws: ``VarlinkError``.
    public init(message: [UInt8]) throws(VarlinkError) {
        let object = try VarlinkMessage.object(message)
        guard case .string(let method)? = object["method"] else { throw .shape("a call needs a method") }
        self.init(
            method: method, parameters: try VarlinkMessage.parameters(object),
            oneway: try VarlinkMessage.flag(object, "oneway"), more: try VarlinkMessage.flag(object, "more"),
            upgrade: try VarlinkMessage.flag(object, "upgrade"))
    }

    /// The message with its NUL.
    public var octets: [UInt8] {
        var members = [JSONValue.Member("method", .string(method)), JSONValue.Member("parameters", parameters)]
        for (key, value) in [("oneway", oneway), ("more", more), ("upgrade", upgrade)] where value {
            members.append(JSONValue.Member(key, .bool(true)))
        }
        return Array(JSONValue.object(members).compact.utf8) + [0]
    }
}

/// A reply: parameters, or an error with its parameters.
public struct VarlinkReply: Sendable, Equatable {
    /// The parameters, an object.
    public var parameters: JSONValue
    /// Whether more replies to the same call follow.
    public var continues: Bool
    /// The error with its interface, such as `io.evbd.NoSuchPort`; nil for success.
    public var error: String?

    /// Makes a reply.
    public init(parameters: JSONValue = .object([]), continues: Bool = false, error: String? = nil) {
        self.parameters = parameters
        self.continues = continues
        self.error = error
    }

    /// Reads a reply from a message.
    ///
    /// - Parameter message: the octets without the NUL.
    /// - Throws: ``VarlinkError``.
    public init(message: [UInt8]) throws(VarlinkError) {
        let object = try VarlinkMessage.object(message)
        var error: String?
        switch object["error"] {
        case nil, .null?: break
        case .string(let name)?: error = name
        default: throw .shape("error is not a string")
        }
        self.init(
            parameters: try VarlinkMessage.parameters(object),
            continues: try VarlinkMessage.flag(object, "continues"), error: error)
    }

    /// The message with its NUL.
    public var octets: [UInt8] {
        Self.octets(parameters: Array(parameters.compact.utf8), continues: continues, error: error)
    }

    /// A message with its NUL from parameters that are JSON already.
    ///
    /// - Parameters:
    ///   - parameters: the text of a JSON object.
    ///   - continues: whether more replies to the same call follow.
    ///   - error: the error with its interface.
    /// - Returns: the octets.
    package static func octets(parameters: [UInt8], continues: Bool = false, error: String? = nil) -> [UInt8] {
        var message: [UInt8] = Array("{".utf8)
        if let error { message += Array("\"error\":\(JSONValue.string(error).compact),".utf8) }
        message += Array("\"parameters\":".utf8)
        message += parameters
        message += Array((continues ? ",\"continues\":true}" : "}").utf8)
        message.append(0)
        return message
    }

    /// Writes a message with its NUL whose one parameter `value` writes.
    package static func write(to writer: inout JSONWriter, _ key: StaticString, _ value: (inout JSONWriter) -> Void) {
        writer.begin("{\"parameters\":{")
        writer.key(key)
        value(&writer)
        writer.begin("}}\0")
    }

    /// Begins a message whose one parameter is a list; its items are written next, and then ``endList(in:continues:)``.
    package static func beginList(_ key: StaticString, in writer: inout JSONWriter) {
        writer.begin("{\"parameters\":{")
        writer.key(key)
        writer.begin("[")
    }

    /// Ends such a message, with its NUL.
    package static func endList(in writer: inout JSONWriter, continues: Bool) {
        writer.begin(continues ? "]},\"continues\":true}\0" : "]}}\0")
    }
}

private enum VarlinkMessage {
    static func object(_ message: [UInt8]) throws(VarlinkError) -> JSONValue {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: message)
        } catch {
            throw .json(error)
        }
        guard case .object = value else { throw .shape("no object") }
        return value
    }

    static func parameters(_ object: JSONValue) throws(VarlinkError) -> JSONValue {
        switch object["parameters"] {
        case nil, .null?: return .object([])
        case .object(let members)?: return .object(members)
        default: throw .shape("parameters is not an object")
        }
    }

    static func flag(_ object: JSONValue, _ key: String) throws(VarlinkError) -> Bool {
        switch object[key] {
        case nil, .null?: return false
        case .bool(let value)?: return value
        default: throw .shape("\(key) is not a Boolean")
        }
    }
}
