internal import EVBWire

/// What a ``HistoryBook`` keeps of each VSI.
package struct HistoryEntries: Sequence {
    typealias Table = ShardedDictionary<Key, HistoryBook.Entry>

    /// A ``HistoryKey`` in as few octets as the VSI's name has.
    struct Key: Hashable, Sendable {
        let vsiID: VSIID
        /// By ``HistoryPorts``.
        let port: UInt16

        /// What tables ask for. A VSI is on one port, or on few.
        func _rawHashValue(seed: Int) -> Int { vsiID._rawHashValue(seed: seed) }
    }

    let table: Table
    let ports: HistoryPorts

    package var count: Int { table.count }
    package var values: some Sequence<HistoryBook.Entry> { table.values }

    package subscript(key: HistoryKey) -> HistoryBook.Entry? { ports.knownKey(key).flatMap { table[$0] } }

    package func makeIterator() -> AnyIterator<(key: HistoryKey, value: HistoryBook.Entry)> {
        var elements = table.makeIterator()
        return AnyIterator {
            elements.next().map { (HistoryKey(port: ports.names[Int($0.key.port)], vsiID: $0.key.vsiID), $0.value) }
        }
    }
}

/// The ports of histories, by numbers.
struct HistoryPorts: Sendable {
    private(set) var names: [String] = []
    private var numbers: [String: UInt16] = [:]
    /// The one that was asked for last. Nearly always it is asked for again.
    private var last: (name: String, number: UInt16)?

    /// The key of a VSI on a port, which has a number from then on; nil where there are too many ports.
    mutating func key(_ key: HistoryKey) -> HistoryEntries.Key? {
        if let last, last.name == key.port { return HistoryEntries.Key(vsiID: key.vsiID, port: last.number) }
        guard let number = numbers[key.port] ?? add(key.port) else { return nil }
        last = (key.port, number)
        return HistoryEntries.Key(vsiID: key.vsiID, port: number)
    }

    /// The same where the port has a number.
    func knownKey(_ key: HistoryKey) -> HistoryEntries.Key? {
        numbers[key.port].map { HistoryEntries.Key(vsiID: key.vsiID, port: $0) }
    }

    private mutating func add(_ name: String) -> UInt16? {
        guard let number = UInt16(exactly: names.count) else { return nil }
        names.append(name)
        numbers[name] = number
        return number
    }
}
