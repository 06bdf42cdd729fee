/// A value that is seldom there and large when it is: without it, what has it is small.
///
/// There may be tens of thousands of VSIs, in arrays and dictionaries that are half empty. It is public and inlinable so that other rooms
/// have it for their own types.
@propertyWrapper
public struct Boxed<Value> {
    @usableFromInline enum Storage {
        case none
        indirect case some(Value)
    }

    @usableFromInline var storage = Storage.none

    @inlinable public var wrappedValue: Value? {
        get { if case .some(let value) = storage { value } else { nil } }
        set { storage = newValue.map { .some($0) } ?? .none }
    }

    /// Whether there is a value; does not copy it.
    @inlinable public var isThere: Bool { if case .some = storage { true } else { false } }

    @inlinable public init(wrappedValue: Value? = nil) {
        if let wrappedValue { storage = .some(wrappedValue) }
    }
}

extension Boxed: Sendable where Value: Sendable {}
extension Boxed.Storage: Sendable where Value: Sendable {}

extension Boxed: Equatable where Value: Equatable {
    @inlinable public static func == (own: Boxed, other: Boxed) -> Bool { own.wrappedValue == other.wrappedValue }
}
