/// Octets that do not change. Few of them stand in its own sixteen octets; more have memory of their own, with a head of twenty octets, where
/// an array's has 32.
struct FixedOctets: Sendable {
    private enum Storage {
        case few(Few)
        case many(ManagedBuffer<UInt32, UInt8>)
    }

    /// So many octets that the count and the mark of the case fill a word with them.
    private struct Few {
        static let most = 14

        var octets: (UInt64, UInt32, UInt16) = (0, 0, 0)
        var count: UInt8 = 0
    }

    // Nothing writes to a buffer once it is made.
    nonisolated(unsafe) private let storage: Storage

    /// None.
    init() { storage = .few(Few()) }

    /// The octets of both, one behind the other.
    init(_ first: UnsafeBufferPointer<UInt8>, _ second: UnsafeBufferPointer<UInt8>) {
        let count = first.count + second.count
        guard count > Few.most else {
            var few = Few()
            few.count = UInt8(count)
            withUnsafeMutableBytes(of: &few.octets) { octets in
                octets.copyBytes(from: first)
                UnsafeMutableRawBufferPointer(rebasing: octets[first.count...]).copyBytes(from: second)
            }
            storage = .few(few)
            return
        }
        let made = ManagedBuffer<UInt32, UInt8>.create(minimumCapacity: count) { _ in UInt32(count) }
        made.withUnsafeMutablePointerToElements { start in
            _ = UnsafeMutableBufferPointer(start: start, count: first.count).initialize(from: first)
            _ = UnsafeMutableBufferPointer(start: start + first.count, count: second.count).initialize(from: second)
        }
        storage = .many(made)
    }

    /// Whether they have no memory of their own.
    var areInPlace: Bool { if case .few = storage { true } else { false } }

    /// Calls back with the octets, which are there until it returns.
    func look<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        switch storage {
        case .few(let few):
            withUnsafeBytes(of: few.octets) { octets in
                octets.withMemoryRebound(to: UInt8.self) {
                    body(UnsafeBufferPointer(rebasing: $0[..<Int(few.count)]))
                }
            }
        case .many(let buffer):
            buffer.withUnsafeMutablePointers { body(UnsafeBufferPointer(start: $1, count: Int($0.pointee))) }
        }
    }
}
