// AgentX on the wire (RFC 2741 sections 5 and 6). Both byte orders are read; what is written is in network byte order.

/// Why octets are no AgentX.
package enum AgentXError: Error, Hashable, Sendable, CustomStringConvertible {
    case version(UInt8)
    case oversized(UInt32)
    case truncated
    /// Octets are left behind the last field.
    case surplus
    case valueType(UInt16)
    case objectIDTooLong(UInt8)

    package var description: String {
        switch self {
        case .version(let version): "version \(version) of AgentX is not spoken here"
        case .oversized(let length): "a PDU announces \(length) octets"
        case .truncated: "a PDU ends within a field"
        case .surplus: "a PDU is longer than its fields"
        case .valueType(let type): "a value has the unknown type \(type)"
        case .objectIDTooLong(let count): "an object identifier has \(count) numbers"
        }
    }
}

/// One message between the master and a subagent.
package struct AgentXPDU: Hashable, Sendable {
    /// The length of the header in octets.
    static let headerLength = 20
    /// The longest payload that is read, in octets. A request of the longest UDP datagram stays far below it.
    static let longestPayload: UInt32 = 1 << 20

    package enum Body: Hashable, Sendable {
        case open(timeoutSeconds: UInt8, id: ObjectID, description: [UInt8])
        case close(reason: UInt8)
        /// `isInstance`: the subtree is one object.
        case register(timeoutSeconds: UInt8, priority: UInt8, subtree: ObjectID, isInstance: Bool)
        case get([SearchRange])
        case getNext([SearchRange])
        case getBulk(nonRepeaters: UInt16, maxRepetitions: UInt16, [SearchRange])
        case testSet([VarBind])
        case commitSet
        case undoSet
        case cleanupSet
        case ping
        case response(error: UInt16, index: UInt16, [VarBind])
        /// A type that no master sends to a subagent of ours.
        case other(type: UInt8)
    }

    package var sessionID: UInt32
    package var transactionID: UInt32
    package var packetID: UInt32
    /// A context other than the default one, which nothing here knows.
    package var context: [UInt8]?
    package var body: Body

    package init(
        sessionID: UInt32, transactionID: UInt32 = 0, packetID: UInt32, context: [UInt8]? = nil, _ body: Body
    ) {
        self.sessionID = sessionID
        self.transactionID = transactionID
        self.packetID = packetID
        self.context = context
        self.body = body
    }
}

private struct Flags: OptionSet {
    let rawValue: UInt8
    static let instanceRegistration = Flags(rawValue: 0x01)
    static let nonDefaultContext = Flags(rawValue: 0x08)
    static let networkByteOrder = Flags(rawValue: 0x10)
}

// MARK: - Writing

extension AgentXPDU {
    /// The octets of the message.
    package var octets: [UInt8] {
        var payload = AgentXWriter()
        var flags = Flags.networkByteOrder
        if let context {
            flags.insert(.nonDefaultContext)
            payload.string(context)
        }
        switch body {
        case .open(let timeout, let id, let description):
            payload.octets += [timeout, 0, 0, 0]
            payload.objectID(id)
            payload.string(description)
        case .close(let reason): payload.octets += [reason, 0, 0, 0]
        case .register(let timeout, let priority, let subtree, let isInstance):
            if isInstance { flags.insert(.instanceRegistration) }
            payload.octets += [timeout, priority, 0, 0]
            payload.objectID(subtree)
        case .get(let ranges), .getNext(let ranges): payload.ranges(ranges)
        case .getBulk(let nonRepeaters, let maxRepetitions, let ranges):
            payload.uint16(nonRepeaters)
            payload.uint16(maxRepetitions)
            payload.ranges(ranges)
        case .testSet(let bindings): payload.bindings(bindings)
        case .commitSet, .undoSet, .cleanupSet, .ping, .other: break
        case .response(let error, let index, let bindings):
            // sysUpTime, which the master knows better.
            payload.uint32(0)
            payload.uint16(error)
            payload.uint16(index)
            payload.bindings(bindings)
        }
        var whole = AgentXWriter()
        whole.octets = [1, type, flags.rawValue, 0]
        for number in [sessionID, transactionID, packetID, UInt32(clamping: payload.octets.count)] {
            whole.uint32(number)
        }
        return whole.octets + payload.octets
    }

    private var type: UInt8 {
        switch body {
        case .open: 1
        case .close: 2
        case .register: 3
        case .get: 5
        case .getNext: 6
        case .getBulk: 7
        case .testSet: 8
        case .commitSet: 9
        case .undoSet: 10
        case .cleanupSet: 11
        case .ping: 13
        case .response: 18
        case .other(let type): type
        }
    }
}

private struct AgentXWriter {
    var octets: [UInt8] = []

    mutating func uint16(_ value: UInt16) { octets += [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)] }

    mutating func uint32(_ value: UInt32) {
        uint16(UInt16(value >> 16))
        uint16(UInt16(truncatingIfNeeded: value))
    }

    mutating func objectID(_ id: ObjectID, include: Bool = false) {
        precondition(id.parts.count <= ObjectID.longest)
        octets += [UInt8(id.parts.count), 0, include ? 1 : 0, 0]
        for part in id.parts { uint32(part) }
    }

    mutating func string(_ value: [UInt8]) {
        uint32(UInt32(clamping: value.count))
        octets += value
        octets += [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
    }

    mutating func ranges(_ ranges: [SearchRange]) {
        for range in ranges {
            objectID(range.start, include: range.includesStart)
            objectID(range.end ?? [])
        }
    }

    mutating func bindings(_ bindings: [VarBind]) {
        for binding in bindings {
            uint16(binding.value.code)
            uint16(0)
            objectID(binding.name)
            switch binding.value {
            case .integer(let value): uint32(UInt32(bitPattern: value))
            case .octets(let value), .address(let value), .opaque(let value): string(value)
            case .objectID(let value): objectID(value)
            case .counter32(let value), .gauge32(let value), .timeTicks(let value): uint32(value)
            case .counter64(let value):
                uint32(UInt32(value >> 32))
                uint32(UInt32(truncatingIfNeeded: value))
            case .null, .noSuchObject, .noSuchInstance, .endOfMIBView: break
            }
        }
    }
}

// MARK: - Reading

/// Cuts a stream of octets into messages.
package struct AgentXDecoder: Sendable {
    private var buffer: [UInt8] = []

    package init() {}

    package mutating func append(_ octets: [UInt8]) { buffer += octets }

    /// Takes the next whole message.
    ///
    /// - Returns: nil until more has come.
    /// - Throws: ``AgentXError``; the stream cannot be read on after that.
    package mutating func next() throws(AgentXError) -> AgentXPDU? {
        guard buffer.count >= AgentXPDU.headerLength else { return nil }
        guard buffer[0] == 1 else { throw .version(buffer[0]) }
        let (type, flags) = (buffer[1], Flags(rawValue: buffer[2]))
        var header = AgentXReader(buffer[4..<AgentXPDU.headerLength], isBigEndian: flags.contains(.networkByteOrder))
        var pdu = AgentXPDU(
            sessionID: try header.uint32(), transactionID: try header.uint32(), packetID: try header.uint32(), .ping)
        let length = try header.uint32()
        guard length <= AgentXPDU.longestPayload else { throw .oversized(length) }
        let end = AgentXPDU.headerLength + Int(length)
        guard buffer.count >= end else { return nil }
        var payload = AgentXReader(
            buffer[AgentXPDU.headerLength..<end], isBigEndian: flags.contains(.networkByteOrder))
        try pdu.read(&payload, type: type, flags: flags)
        buffer.removeFirst(end)
        return pdu
    }
}

extension AgentXPDU {
    fileprivate mutating func read(_ payload: inout AgentXReader, type: UInt8, flags: Flags) throws(AgentXError) {
        // Only requests that can go to a context have one.
        if flags.contains(.nonDefaultContext), (3...8).contains(type) || type == 13 { context = try payload.string() }
        switch type {
        case 1:
            let timeout = try payload.octets(4)[0]
            body = .open(
                timeoutSeconds: timeout, id: try payload.objectID().id, description: try payload.string())
        case 2: body = .close(reason: try payload.octets(4)[0])
        case 3:
            let fields = try payload.octets(4)
            let subtree = try payload.objectID().id
            // A range of subtrees, which a subagent of ours does not register.
            if fields[2] != 0 { _ = try payload.uint32() }
            body = .register(
                timeoutSeconds: fields[0], priority: fields[1], subtree: subtree,
                isInstance: flags.contains(.instanceRegistration))
        case 5: body = .get(try payload.ranges())
        case 6: body = .getNext(try payload.ranges())
        case 7:
            let (nonRepeaters, maxRepetitions) = (try payload.uint16(), try payload.uint16())
            body = .getBulk(nonRepeaters: nonRepeaters, maxRepetitions: maxRepetitions, try payload.ranges())
        case 8: body = .testSet(try payload.bindings())
        case 9: body = .commitSet
        case 10: body = .undoSet
        case 11: body = .cleanupSet
        case 13: body = .ping
        case 18:
            _ = try payload.uint32()
            let (error, index) = (try payload.uint16(), try payload.uint16())
            body = .response(error: error, index: index, try payload.bindings())
        default:
            body = .other(type: type)
            return
        }
        guard payload.isAtEnd else { throw .surplus }
    }
}

/// A bounds-checked cursor: each read compares with what is left before it looks.
private struct AgentXReader {
    private var rest: ArraySlice<UInt8>
    private let isBigEndian: Bool

    init(_ octets: ArraySlice<UInt8>, isBigEndian: Bool) {
        rest = octets
        self.isBigEndian = isBigEndian
    }

    var isAtEnd: Bool { rest.isEmpty }

    /// So many octets, indexed from 0.
    mutating func octets(_ count: Int) throws(AgentXError) -> [UInt8] {
        guard count >= 0, count <= rest.count else { throw .truncated }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    private mutating func number(_ count: Int) throws(AgentXError) -> UInt64 {
        guard count <= rest.count else { throw .truncated }
        let octets = rest.prefix(count)
        rest = rest.dropFirst(count)
        var value: UInt64 = 0
        if isBigEndian {
            for octet in octets { value = value << 8 | UInt64(octet) }
        } else {
            for octet in octets.reversed() { value = value << 8 | UInt64(octet) }
        }
        return value
    }

    mutating func uint16() throws(AgentXError) -> UInt16 { UInt16(truncatingIfNeeded: try number(2)) }

    mutating func uint32() throws(AgentXError) -> UInt32 { UInt32(truncatingIfNeeded: try number(4)) }

    mutating func objectID() throws(AgentXError) -> (id: ObjectID, include: Bool) {
        let fields = try octets(4)
        guard fields[0] <= UInt8(ObjectID.longest) else { throw .objectIDTooLong(fields[0]) }
        // A prefix stands for 1.3.6.1 and itself.
        var parts: [UInt32] = fields[1] == 0 ? [] : [1, 3, 6, 1, UInt32(fields[1])]
        for _ in 0..<fields[0] { parts.append(try uint32()) }
        guard parts.count <= ObjectID.longest else { throw .objectIDTooLong(fields[0]) }
        return (ObjectID(parts), fields[2] != 0)
    }

    mutating func string() throws(AgentXError) -> [UInt8] {
        let length = Int(try uint32())
        let value = try octets(length)
        _ = try octets((4 - length % 4) % 4)
        return value
    }

    mutating func ranges() throws(AgentXError) -> [SearchRange] {
        var ranges: [SearchRange] = []
        while !isAtEnd {
            let (start, end) = (try objectID(), try objectID().id)
            ranges.append(
                SearchRange(start.id, includesStart: start.include, end: end.parts.isEmpty ? nil : end))
        }
        return ranges
    }

    mutating func bindings() throws(AgentXError) -> [VarBind] {
        var bindings: [VarBind] = []
        while !isAtEnd {
            let type = try uint16()
            _ = try uint16()
            let name = try objectID().id
            bindings.append(VarBind(name, try value(type)))
        }
        return bindings
    }

    private mutating func value(_ type: UInt16) throws(AgentXError) -> SNMPValue {
        switch type {
        case 2: .integer(Int32(bitPattern: try uint32()))
        case 4: .octets(try string())
        case 5: .null
        case 6: .objectID(try objectID().id)
        case 64: .address(try string())
        case 65: .counter32(try uint32())
        case 66: .gauge32(try uint32())
        case 67: .timeTicks(try uint32())
        case 68: .opaque(try string())
        case 70: .counter64(try number(8))
        case 128: .noSuchObject
        case 129: .noSuchInstance
        case 130: .endOfMIBView
        default: throw .valueType(type)
        }
    }
}
