/// Octets that do not change: with a head of twenty octets, where an array's has 32.
struct FixedOctets: Sendable {
    // Nothing writes to it once it is made.
    nonisolated(unsafe) private let buffer: ManagedBuffer<UInt32, UInt8>?

    /// None.
    init() { buffer = nil }

    /// The octets of both, one behind the other.
    init(_ first: UnsafeBufferPointer<UInt8>, _ second: UnsafeBufferPointer<UInt8>) {
        let count = first.count + second.count
        guard count > 0 else {
            buffer = nil
            return
        }
        let made = ManagedBuffer<UInt32, UInt8>.create(minimumCapacity: count) { _ in UInt32(count) }
        made.withUnsafeMutablePointerToElements { start in
            _ = UnsafeMutableBufferPointer(start: start, count: first.count).initialize(from: first)
            _ = UnsafeMutableBufferPointer(start: start + first.count, count: second.count).initialize(from: second)
        }
        buffer = made
    }

    /// Calls back with the octets, which are there until it returns.
    func look<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        guard let buffer else { return body(UnsafeBufferPointer(start: nil, count: 0)) }
        return buffer.withUnsafeMutablePointers { body(UnsafeBufferPointer(start: $1, count: Int($0.pointee))) }
    }
}
