internal import JSON

/// The items of a list that is written bit by bit, as fast as its client reads.
protocol ListedItems: AnyObject {
    /// Whether there is another step.
    var hasMore: Bool { get }
    /// Takes a step: writes the next item as JSON, or says that this step has found none, and has written nothing.
    func writeNext(to writer: inout JSONWriter) -> Bool
}

/// Items of a sequence in which nil stands for a step that finds none.
final class ListedValues<Items: IteratorProtocol, Item>: ListedItems where Items.Element == Item? {
    private var items: Items
    private var next: Item??
    private let octets: (Item) -> [UInt8]

    init(_ items: Items, _ octets: @escaping (Item) -> [UInt8]) {
        self.items = items
        self.octets = octets
        next = self.items.next()
    }

    var hasMore: Bool { if case .some = next { true } else { false } }

    func writeNext(to writer: inout JSONWriter) -> Bool {
        defer { next = items.next() }
        guard case let item?? = next else { return false }
        writer.value(octets: octets(item))
        return true
    }
}
