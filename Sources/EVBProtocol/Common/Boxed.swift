/// A value that is seldom there and large when it is: without it, what has it is small.
///
/// There may be tens of thousands of VSIs, in arrays and dictionaries that are half empty.
@propertyWrapper
package struct Boxed<Value> {
    private enum Storage {
        case none
        indirect case some(Value)
    }

    private var storage = Storage.none

    package var wrappedValue: Value? {
        get { if case .some(let value) = storage { value } else { nil } }
        set { storage = newValue.map { .some($0) } ?? .none }
    }

    package init(wrappedValue: Value? = nil) { self.wrappedValue = wrappedValue }
}
