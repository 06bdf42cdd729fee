/// A moment or none, in eight octets: an `Instant?` takes sixteen among others.
///
/// The last nanosecond of the clock's range stands for none; a moment there is taken for the one before.
@propertyWrapper
public struct CompactInstant: Hashable, Sendable {
    private var nanoseconds = UInt64.max

    @inlinable public init(wrappedValue: Instant? = nil) { self.wrappedValue = wrappedValue }

    public var wrappedValue: Instant? {
        get { nanoseconds == .max ? nil : Instant(nanoseconds: nanoseconds) }
        set { nanoseconds = newValue.map { min($0.nanoseconds, .max - 1) } ?? .max }
    }
}
