package import Logging

/// What a line of the log says beside its message: keys and values, in the order in which the line has them.
///
/// A line about a VSI has nine of them, and thousands of such lines come at once: so they are not gathered in a dictionary, and nothing of
/// them is made a text of its own but their values.
package struct LogFacts: Sendable, CustomStringConvertible {
    /// A fact's name. The order of the cases is that of a line.
    package enum Key: Sendable, Equatable {
        case port, reason, vsi, mac, link, type, manager
        /// Any other name; these are sorted by it.
        case other(String)
        case who

        /// The key of a name in the metadata of a line.
        package init(_ name: String) {
            self =
                switch name {
                case "port": .port
                case "reason": .reason
                case "vsi": .vsi
                case "mac": .mac
                case "link": .link
                case "type": .type
                case "manager": .manager
                case "who": .who
                default: .other(name)
                }
        }

        /// The name in a line.
        package var name: String {
            switch self {
            case .port: "port"
            case .reason: "reason"
            case .vsi: "vsi"
            case .mac: "mac"
            case .link: "link"
            case .type: "type"
            case .manager: "manager"
            case .who: "who"
            case .other(let name): name
            }
        }

        private var place: Int {
            switch self {
            case .port: 0
            case .reason: 1
            case .vsi: 2
            case .mac: 3
            case .link: 4
            case .type: 5
            case .manager: 6
            case .other: 7
            case .who: 8
            }
        }

        fileprivate func isBefore(_ other: Key) -> Bool {
            if case .other(let left) = self, case .other(let right) = other { return left < right }
            return place < other.place
        }
    }

    /// What is said of a key.
    package enum Value: Sendable, Equatable {
        case text(String)
        /// Several of a kind, such as the addresses of a VSI.
        case list([String])
    }

    /// A key and its value.
    package struct Fact: Sendable, Equatable {
        package var key: Key
        package var value: Value
    }

    /// The facts in the order of a line, one for a key.
    package private(set) var all: [Fact] = []

    /// No facts, with room for those of a VSI.
    package init() { all.reserveCapacity(10) }

    /// Adds a fact; what was said of the key before is replaced.
    package mutating func set(_ key: Key, _ value: Value) {
        var place = all.count
        while place > 0, !all[place - 1].key.isBefore(key) {
            place -= 1
            if all[place].key == key {
                all[place].value = value
                return
            }
        }
        all.insert(Fact(key: key, value: value), at: place)
    }

    /// Adds a fact of one value.
    package mutating func set(_ key: Key, _ value: String) { set(key, .text(value)) }

    /// Adds a fact whose key is not among the known ones.
    package mutating func set(_ key: String, _ value: String) { set(Key(key), .text(value)) }

    /// What is said of a key; nil where nothing is.
    package subscript(_ key: Key) -> Value? { all.first { $0.key == key }?.value }

    package var description: String { all.map { "\($0.key.name)=\($0.value)" }.joined(separator: " ") }
}

// MARK: - As metadata of a logger

extension LogFacts {
    /// The key under which a line's metadata has facts as they are.
    private static let packedKey = "facts"

    /// Metadata of these facts alone, as quickly as they are made: a handler takes them out by ``add(_:)``.
    package var packed: Logger.Metadata { [Self.packedKey: .stringConvertible(self)] }

    /// Metadata with a key for each fact.
    package var metadata: Logger.Metadata {
        var metadata = Logger.Metadata(minimumCapacity: all.count)
        for fact in all {
            metadata[fact.key.name] =
                switch fact.value {
                case .text(let text): .string(text)
                case .list(let texts): .array(texts.map { .string($0) })
                }
        }
        return metadata
    }

    /// Adds what the metadata of a line says.
    package mutating func add(_ metadata: Logger.Metadata) {
        for (name, value) in metadata {
            switch value {
            case .string(let text): set(Key(name), .text(text))
            case .array(let values): set(Key(name), .list(values.map { "\($0)" }))
            case .stringConvertible(let facts as LogFacts) where name == Self.packedKey:
                if all.isEmpty { self = facts } else { for fact in facts.all { set(fact.key, fact.value) } }
            case .stringConvertible, .dictionary: set(Key(name), .text("\(value)"))
            }
        }
    }
}
