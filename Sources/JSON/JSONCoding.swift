// How our types become JSON and come back: every key is written, null where it has no value.

// The wrappers ask nothing of what they wrap. A condition of the type itself would have Swift look through all conformances of the program for
// each kind of value when it is first used: a seventh of the time of `evbctl status`.

/// A value that may be missing, and whose key is written as null then, never left out.
@propertyWrapper
public struct Nullable<Value> {
    /// The value, or nil.
    public var wrappedValue: Value?

    /// Wraps a value.
    public init(wrappedValue: Value?) {
        self.wrappedValue = wrappedValue
    }
}

extension Nullable: Sendable where Value: Sendable {}
extension Nullable: Equatable where Value: Equatable {}

extension Nullable: Decodable where Value: Decodable {
    /// Reads a value or null.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        self.init(wrappedValue: container.decodeNil() ? nil : try container.decode(Value.self))
    }
}

extension Nullable: Encodable where Value: Encodable {
    /// Writes the value or null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue {
            try container.encode(wrappedValue)
        } else {
            try container.encodeNil()
        }
    }
}

extension KeyedDecodingContainer {
    /// Takes a key that was left out for null, which is what others may send.
    public func decode<Value: Decodable>(_ type: Nullable<Value>.Type, forKey key: Key) throws -> Nullable<Value> {
        try decodeIfPresent(type, forKey: key) ?? Nullable(wrappedValue: nil)
    }
}

/// A list whose key is always written, and which is empty where it was left out.
@propertyWrapper
public struct Listed<Value> {
    public var wrappedValue: [Value]

    /// Wraps a list.
    public init(wrappedValue: [Value]) {
        self.wrappedValue = wrappedValue
    }
}

extension Listed: Sendable where Value: Sendable {}
extension Listed: Equatable where Value: Equatable {}

extension Listed: Decodable where Value: Decodable {
    /// Reads a list.
    public init(from decoder: any Decoder) throws {
        self.init(wrappedValue: try decoder.singleValueContainer().decode([Value].self))
    }
}

extension Listed: Encodable where Value: Encodable {
    /// Writes the list.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(wrappedValue)
    }
}

extension KeyedDecodingContainer {
    /// Takes a key that was left out, as an older evbd does, for an empty list.
    public func decode<Value: Decodable>(_ type: Listed<Value>.Type, forKey key: Key) throws -> Listed<Value> {
        try decodeIfPresent(type, forKey: key) ?? Listed(wrappedValue: [])
    }
}

extension Decoder {
    /// Refuses keys that a type does not know: a misspelt option must not pass for one that was left out.
    package func refuseKeys<Keys: CodingKey & CaseIterable>(besides known: Keys.Type) throws {
        let container = try container(keyedBy: AnyKey.self)
        let strangers = container.allKeys.lazy.filter { Keys(stringValue: $0.stringValue) == nil }
        guard let stranger = strangers.min(by: { $0 < $1 }) else { return }
        throw DecodingError.dataCorruptedError(
            forKey: stranger, in: container, debugDescription: "unknown key")
    }
}

private struct AnyKey: CodingKey, Comparable {
    var stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }

    static func < (left: AnyKey, right: AnyKey) -> Bool { left.stringValue < right.stringValue }
}

/// JSON of our types.
package enum JSONCoding {
    /// The text of a value; keys are sorted, so that the same value always has the same text.
    package static func encode(_ value: some Encodable) -> [UInt8] {
        do {
            return try JSONValueEncoder.octets(of: value)
        } catch {
            // Our types hold texts, whole numbers, truth values and lists of them; nothing of that can fail.
            preconditionFailure("\(type(of: value)) cannot be JSON: \(error)")
        }
    }

    /// A value of a type from JSON.
    ///
    /// - Throws: DecodingError with the place of what does not fit.
    package static func decode<Value: Decodable>(_ type: Value.Type, from json: JSONValue) throws -> Value {
        try Value(from: JSONValueDecoder(value: json, codingPath: []))
    }

    /// Where a value does not fit its type, as `filters[0].vlan`; empty for the whole.
    package static func place(of error: any Error) -> String {
        guard let error = error as? DecodingError else { return "" }
        var path: [any CodingKey]
        switch error {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            path = context.codingPath
        case .keyNotFound(let key, let context): path = context.codingPath + [key]
        @unknown default: return ""
        }
        var text = ""
        for key in path {
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += (text.isEmpty ? "" : ".") + key.stringValue
            }
        }
        return text
    }
}
