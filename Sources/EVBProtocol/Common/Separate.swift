/// A large value in memory of its own: what has it can be copied and handed on at the price of a reference. Copies share it until one
/// of them changes it.
@propertyWrapper
struct Separate<Value> {
    private final class Storage {
        /// One at a time has it: the compiler sees to that for whatever has this, and the machine need not look again.
        @exclusivity(unchecked) var value: Value

        init(_ value: Value) { self.value = value }
    }

    private var storage: Storage

    init(wrappedValue: Value) { storage = Storage(wrappedValue) }

    /// Looks at the value where it is. A method that is called on the wrapped value has a copy of the whole of it, which costs more than
    /// most of what is looked up.
    ///
    /// - Parameter body: must not change what it is given: copies share it.
    /// - Returns: what it returns.
    /// - Throws: what it throws.
    func look<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(&storage.value)
    }

    var wrappedValue: Value {
        @inline(__always) _read { yield storage.value }
        @inline(__always) _modify {
            if !isKnownUniquelyReferenced(&storage) { storage = Storage(storage.value) }
            yield &storage.value
        }
    }
}
