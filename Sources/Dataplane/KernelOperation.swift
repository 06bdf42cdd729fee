/// One thing that the kernel is asked for or has to change, as a value: it can be logged, counted, compared and performed again.
///
/// Each part of the daemon has an enumeration of its own operations. What an operation needs beside its value, such as sockets,
/// is its context, which never leaves the worker's thread.
package protocol KernelOperation: Sendable {
    /// What operations of this type have in common: sockets, and what is known of the kernel.
    associatedtype Context: AnyObject
    /// What comes of an operation.
    associatedtype Answer: Sendable

    /// Makes the context, on the worker's thread, before the first operation that needs it.
    static func makeContext() -> Context

    /// The kind of operation in one or two words, as the log and the statistics have it.
    var kind: String { get }

    /// Performs the operation on the thread that made the context.
    func perform(in context: Context) -> Answer

    /// Why an operation failed, in the words of the kernel or a library; nil if it did not.
    static func problem(in answer: Answer) -> String?
}

/// The contexts of all types of operations; for one thread.
package final class KernelContexts {
    private var contexts: [ObjectIdentifier: AnyObject] = [:]

    /// Has no context yet.
    package init() {}

    /// Performs an operation in the context of its type.
    ///
    /// - Returns: An `Answer` of the operation.
    package func perform(_ operation: any KernelOperation) -> any Sendable { open(operation) }

    private func open<Operation: KernelOperation>(_ operation: Operation) -> any Sendable {
        let key = ObjectIdentifier(Operation.Context.self)
        if let context = contexts[key] as? Operation.Context { return operation.perform(in: context) }
        let context = Operation.makeContext()
        contexts[key] = context
        return operation.perform(in: context)
    }
}
