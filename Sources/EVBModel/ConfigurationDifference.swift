public import JSON

/// A key of the configuration that has another value in force than in the file.
public struct ConfigurationDifference: Codable, Sendable, Equatable {
    /// Its place in the file, such as `ports[eth0].ecp.rte`.
    public var key: String
    /// The value in force, as JSON; nil where the key is not there.
    @Nullable public var inForce: String?
    /// The value in the file.
    @Nullable public var file: String?

    /// Makes a difference.
    public init(key: String, inForce: String?, file: String?) {
        self.key = key
        self._inForce = Nullable(wrappedValue: inForce)
        self._file = Nullable(wrappedValue: file)
    }

    /// The difference on the wire, an object.
    package var json: JSONValue {
        func text(_ value: String?) -> JSONValue { value.map(JSONValue.string) ?? .null }
        return .object([
            JSONValue.Member("key", .string(key)), JSONValue.Member("inForce", text(inForce)),
            JSONValue.Member("file", text(file)),
        ])
    }

    /// Compares two configurations.
    ///
    /// - Parameters:
    ///   - inForce: what is in force, with defaults, or else a key that is left out differs from one with its default.
    ///   - file: what the file says, in the same way.
    /// - Returns: the differences in the order of the keys. An entry of a list that has an `interface` is known by that.
    package static func between(_ inForce: JSONValue, and file: JSONValue) -> [ConfigurationDifference] {
        compare(inForce, file, at: "")
    }

    private static func compare(_ mine: JSONValue?, _ other: JSONValue?, at key: String) -> [ConfigurationDifference] {
        guard mine != other else { return [] }
        switch (mine, other) {
        case (.object(let first)?, .object(let second)?):
            let named = { (members: [JSONValue.Member]) in members.map { ($0.key, $0.value) } }
            return compare(named(first), named(second)) { key.isEmpty ? $0 : "\(key).\($0)" }
        case (.array(let first)?, .array(let second)?):
            guard let first = entries(first), let second = entries(second) else { break }
            let differences = compare(first, second) { "\(key)[\($0)]" }
            // The same entries in another order.
            if !differences.isEmpty { return differences }
        default: break
        }
        return [ConfigurationDifference(key: key, inForce: mine?.compact, file: other?.compact)]
    }

    private static func compare(
        _ first: [(String, JSONValue)], _ second: [(String, JSONValue)], key: (String) -> String
    ) -> [ConfigurationDifference] {
        let others = Dictionary(second) { $1 }
        let known = Set(first.map(\.0))
        return first.flatMap { compare($1, others[$0], at: key($0)) }
            + second.filter { !known.contains($0.0) }.flatMap { compare(nil, $1, at: key($0)) }
    }

    /// Entries by their interfaces; nil where one has none, or two have the same.
    private static func entries(_ list: [JSONValue]) -> [(String, JSONValue)]? {
        var names: Set<String> = []
        var entries: [(String, JSONValue)] = []
        for entry in list {
            guard case .string(let name)? = entry["interface"], names.insert(name).inserted else { return nil }
            entries.append((name, entry))
        }
        return entries
    }
}
