package import Nftables

/// Changes of nftables that belong together, or listings of it.
package enum NftablesOperation: KernelOperation, Equatable {
    /// Commands that are carried out together.
    package struct Change: Sendable, Equatable {
        private let text: String
        private let addresses: AddressSetChange?
        package let isJSON: Bool
        /// The same for the kernel itself, where what precedes each transaction need not be declared again; nil where only commands can
        /// say it.
        package let direct: TableChanges?

        package init(commands: String, isJSON: Bool = false, direct: TableChanges? = nil) {
            text = commands
            addresses = nil
            self.isJSON = isJSON
            self.direct = direct
        }

        /// A change of a set; by commands only where `isDirect` is false.
        package init(_ addresses: AddressSetChange, isDirect: Bool) {
            text = ""
            self.addresses = addresses
            isJSON = false
            direct = isDirect ? addresses.direct : nil
        }

        /// Commands in nft's language, or in JSON.
        package var commands: String { addresses?.commands ?? text }
    }

    /// What comes of an operation.
    package enum Answer: Sendable, Equatable {
        /// For each change why it was not made; nil for one that was.
        case changed([String?])
        /// What was listed, as JSON in nft's schema; nothing for an object that is not there.
        case listed([String])
    }

    /// Makes changes in one transaction, after a declaration that precedes each transaction. Where the transaction fails, the
    /// changes are made one by one, so that one that cannot be made spoils no other.
    ///
    /// Where all changes can be given to the kernel itself, that is tried before, in one transaction without the declaration. One that
    /// the kernel refuses, or does not answer, is made by commands: those do no harm where the changes are made already.
    case change([Change], declaration: String)
    /// Lists objects: a table or a chain, a set or a map, as they stand after `list`.
    case list([String])

    /// The session, opened when the first operation needs it, and the socket of changes that need none.
    package final class Context {
        private var session: NftablesSession?
        fileprivate let socket = NftablesSocket()

        package init() {}

        package func open() throws(NftablesError) -> NftablesSession {
            if let session { return session }
            let session = try NftablesSession()
            self.session = session
            return session
        }
    }

    package static func makeContext() -> Context { Context() }

    package var kind: String {
        switch self {
        case .change: "change nftables"
        case .list: "list nftables"
        }
    }

    package func perform(in context: Context) -> Answer {
        switch self {
        case .change(let changes, let declaration): .changed(Self.run(changes, declaration, in: context))
        case .list(let objects): .listed(objects.compactMap { try? context.open().list("list \($0)") })
        }
    }

    package static func problem(in answer: Answer) -> String? {
        if case .changed(let problems) = answer { problems.compactMap(\.self).first } else { nil }
    }

    /// Whether all changes are made without commands.
    private static func commit(_ changes: [Change], in context: Context) -> Bool {
        let direct = changes.compactMap(\.direct)
        return direct.count == changes.count && (try? context.socket.commit(direct)) != nil
    }

    private static func run(_ changes: [Change], _ declaration: String, in context: Context) -> [String?] {
        if commit(changes, in: context) { return changes.map { _ in nil } }
        context.socket.openAhead()
        func run(_ commands: String, isJSON: Bool = false) -> String? {
            do throws(NftablesError) {
                let session = try context.open()
                if isJSON {
                    try session.run(declaration)
                    try session.run(json: commands)
                } else {
                    try session.run(declaration + "\n" + commands)
                }
                return nil
            } catch {
                return error.description
            }
        }
        let plain = changes.filter { !$0.isJSON }
        let together = plain.isEmpty ? nil : run(plain.map(\.commands).joined(separator: "\n"))
        return changes.map { change in
            if change.isJSON { return run(change.commands, isJSON: true) }
            return together == nil || plain.count == 1 ? together : run(change.commands)
        }
    }
}
