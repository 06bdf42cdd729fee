/// Makes JSON of one of our types: whole numbers, truth values, texts, and objects and lists of them.
///
/// An object's members are sorted by their keys, so that the same value has always the same text.
final class JSONValueEncoder: Encoder {
    /// What has been encoded so far.
    fileprivate enum Part {
        case empty
        case value(JSONValue)
        case object([(key: String, part: Part)])
        case list([Part])
        /// What another encoder holds, which may be filled in later.
        case elsewhere(JSONValueEncoder)
    }

    fileprivate var part = Part.empty
    let codingPath: [any CodingKey] = []
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    /// The text of a value.
    ///
    /// - Throws: what the value's own `encode(to:)` throws.
    static func octets(of value: some Encodable) throws -> [UInt8] {
        let encoder = JSONValueEncoder()
        try value.encode(to: encoder)
        var writer = JSONWriter(reserving: 1024)
        encoder.write(to: &writer)
        return writer.octets
    }

    private func write(to writer: inout JSONWriter) { Self.write(part, to: &writer) }

    private static func write(_ part: Part, to writer: inout JSONWriter) {
        switch part {
        // As a value that encodes nothing: none of ours does so.
        case .empty: writer.object { _ in }
        case .value(let value): writer.value(value)
        case .list(let items): writer.list(items) { write($1, to: &$0) }
        case .elsewhere(let encoder): encoder.write(to: &writer)
        case .object(var members):
            members.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            writer.object { writer in
                for (key, part) in members {
                    writer.key(key)
                    write(part, to: &writer)
                }
            }
        }
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        if case .empty = part { part = .object([]) }
        return KeyedEncodingContainer(MemberContainer(encoder: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        if case .empty = part { part = .list([]) }
        return ItemContainer(encoder: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { self }

    fileprivate static func part(_ value: some Encodable) throws -> Part {
        let encoder = JSONValueEncoder()
        try value.encode(to: encoder)
        return encoder.part
    }

    /// Adds a member to the object in hand.
    fileprivate func add(_ key: any CodingKey, _ added: Part) {
        guard case .object(var members) = part else { preconditionFailure("no object: \(key)") }
        part = .empty
        members.append((key.stringValue, added))
        part = .object(members)
    }

    /// Adds an item to the list in hand.
    fileprivate func add(_ added: Part) {
        guard case .list(var items) = part else { preconditionFailure("no list") }
        part = .empty
        items.append(added)
        part = .list(items)
    }

    fileprivate var count: Int {
        if case .list(let items) = part { items.count } else { 0 }
    }
}

extension JSONValueEncoder: SingleValueEncodingContainer {
    func encodeNil() { part = .value(.null) }
    func encode(_ value: Bool) { part = .value(.bool(value)) }
    func encode(_ value: String) { part = .value(.string(value)) }
    func encode(_ value: Double) { part = .value(.number("\(value)")) }
    func encode(_ value: Float) { part = .value(.number("\(value)")) }
    func encode(_ value: Int) { whole(value) }
    func encode(_ value: Int8) { whole(value) }
    func encode(_ value: Int16) { whole(value) }
    func encode(_ value: Int32) { whole(value) }
    func encode(_ value: Int64) { whole(value) }
    func encode(_ value: UInt) { whole(value) }
    func encode(_ value: UInt8) { whole(value) }
    func encode(_ value: UInt16) { whole(value) }
    func encode(_ value: UInt32) { whole(value) }
    func encode(_ value: UInt64) { whole(value) }
    func encode(_ value: some Encodable) throws { part = try Self.part(value) }

    private func whole(_ value: some FixedWidthInteger) { part = .value(.number(String(value))) }
}

private struct MemberContainer<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let encoder: JSONValueEncoder

    var codingPath: [any CodingKey] { encoder.codingPath }

    func encodeNil(forKey key: Key) { encoder.add(key, .value(.null)) }
    func encode(_ value: Bool, forKey key: Key) { encoder.add(key, .value(.bool(value))) }
    func encode(_ value: String, forKey key: Key) { encoder.add(key, .value(.string(value))) }
    func encode(_ value: Double, forKey key: Key) { encoder.add(key, .value(.number("\(value)"))) }
    func encode(_ value: Float, forKey key: Key) { encoder.add(key, .value(.number("\(value)"))) }
    func encode(_ value: Int, forKey key: Key) { whole(value, key) }
    func encode(_ value: Int8, forKey key: Key) { whole(value, key) }
    func encode(_ value: Int16, forKey key: Key) { whole(value, key) }
    func encode(_ value: Int32, forKey key: Key) { whole(value, key) }
    func encode(_ value: Int64, forKey key: Key) { whole(value, key) }
    func encode(_ value: UInt, forKey key: Key) { whole(value, key) }
    func encode(_ value: UInt8, forKey key: Key) { whole(value, key) }
    func encode(_ value: UInt16, forKey key: Key) { whole(value, key) }
    func encode(_ value: UInt32, forKey key: Key) { whole(value, key) }
    func encode(_ value: UInt64, forKey key: Key) { whole(value, key) }
    func encode(_ value: some Encodable, forKey key: Key) throws { encoder.add(key, try JSONValueEncoder.part(value)) }

    private func whole(_ value: some FixedWidthInteger, _ key: Key) { encoder.add(key, .value(.number(String(value)))) }

    private func nested(_ key: Key) -> JSONValueEncoder {
        let nested = JSONValueEncoder()
        encoder.add(key, .elsewhere(nested))
        return nested
    }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) -> KeyedEncodingContainer<
        Nested
    > {
        nested(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { nested(key).unkeyedContainer() }
    func superEncoder() -> any Encoder { encoder }
    func superEncoder(forKey key: Key) -> any Encoder { nested(key) }
}

private struct ItemContainer: UnkeyedEncodingContainer {
    let encoder: JSONValueEncoder

    var codingPath: [any CodingKey] { encoder.codingPath }
    var count: Int { encoder.count }

    func encodeNil() { encoder.add(.value(.null)) }
    func encode(_ value: Bool) { encoder.add(.value(.bool(value))) }
    func encode(_ value: String) { encoder.add(.value(.string(value))) }
    func encode(_ value: Double) { encoder.add(.value(.number("\(value)"))) }
    func encode(_ value: Float) { encoder.add(.value(.number("\(value)"))) }
    func encode(_ value: Int) { whole(value) }
    func encode(_ value: Int8) { whole(value) }
    func encode(_ value: Int16) { whole(value) }
    func encode(_ value: Int32) { whole(value) }
    func encode(_ value: Int64) { whole(value) }
    func encode(_ value: UInt) { whole(value) }
    func encode(_ value: UInt8) { whole(value) }
    func encode(_ value: UInt16) { whole(value) }
    func encode(_ value: UInt32) { whole(value) }
    func encode(_ value: UInt64) { whole(value) }
    func encode(_ value: some Encodable) throws { encoder.add(try JSONValueEncoder.part(value)) }

    private func whole(_ value: some FixedWidthInteger) { encoder.add(.value(.number(String(value)))) }

    private func nested() -> JSONValueEncoder {
        let nested = JSONValueEncoder()
        encoder.add(.elsewhere(nested))
        return nested
    }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
        nested().container(keyedBy: type)
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { nested().unkeyedContainer() }
    func superEncoder() -> any Encoder { nested() }
}
