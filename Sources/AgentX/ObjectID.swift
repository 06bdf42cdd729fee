// What SNMP names and carries: object identifiers, values, and both together (RFC 2741 section 5).

/// The name of an object in SNMP's tree: its numbers from the root.
package struct ObjectID: Hashable, Sendable, ExpressibleByArrayLiteral {
    /// How many numbers a name has at most (RFC 2578 section 3.5).
    package static let longest = 128

    package var parts: [UInt32]

    package init(_ parts: [UInt32]) { self.parts = parts }

    package init(arrayLiteral parts: UInt32...) { self.parts = parts }

    /// The name that continues this one.
    package func appending(_ more: some Sequence<UInt32>) -> ObjectID { ObjectID(parts + more) }

    package func hasPrefix(_ other: ObjectID) -> Bool { parts.starts(with: other.parts) }
}

extension ObjectID: Comparable {
    /// The order of SNMP: number by number, a name before those that continue it.
    package static func < (left: ObjectID, right: ObjectID) -> Bool {
        left.parts.lexicographicallyPrecedes(right.parts)
    }
}

extension ObjectID: CustomStringConvertible {
    package var description: String { parts.map { String($0) }.joined(separator: ".") }
}

/// A value in SNMP, or why there is none.
package enum SNMPValue: Hashable, Sendable {
    case integer(Int32)
    case octets([UInt8])
    case null
    case objectID(ObjectID)
    case address([UInt8])
    case counter32(UInt32)
    /// Gauge32, which is Unsigned32 too.
    case gauge32(UInt32)
    /// Hundredths of a second.
    case timeTicks(UInt32)
    case opaque([UInt8])
    case counter64(UInt64)
    case noSuchObject
    case noSuchInstance
    case endOfMIBView

    /// The type on the wire.
    var code: UInt16 {
        switch self {
        case .integer: 2
        case .octets: 4
        case .null: 5
        case .objectID: 6
        case .address: 64
        case .counter32: 65
        case .gauge32: 66
        case .timeTicks: 67
        case .opaque: 68
        case .counter64: 70
        case .noSuchObject: 128
        case .noSuchInstance: 129
        case .endOfMIBView: 130
        }
    }
}

/// An object and its value.
package struct VarBind: Hashable, Sendable {
    package var name: ObjectID
    package var value: SNMPValue

    package init(_ name: ObjectID, _ value: SNMPValue) {
        self.name = name
        self.value = value
    }
}

/// From where on, and up to where, a request looks for an object.
package struct SearchRange: Hashable, Sendable {
    package var start: ObjectID
    /// Whether the object of the name `start` itself may be the answer.
    package var includesStart: Bool
    /// The first name that is none of the answers; nil for no bound.
    package var end: ObjectID?

    package init(_ start: ObjectID, includesStart: Bool = false, end: ObjectID? = nil) {
        self.start = start
        self.includesStart = includesStart
        self.end = end
    }
}

/// Objects in the order of their names.
package protocol ObjectSource: Sendable {
    /// The value of an object, or that there is no such object or instance.
    func value(of name: ObjectID) -> SNMPValue
    /// The first object in a range; nil if there is none.
    func first(in range: SearchRange) -> VarBind?
}
