package import Netlink

/// Looks for links by their aliases in other network namespaces, in some of these at a time: a host may have thousands, and
/// other ports wait for as long.
package struct LinkSearch: KernelOperation, Equatable {
    package typealias Context = LinkCommand.Context

    /// What a part of a search has found.
    package struct Found: Sendable, Equatable {
        /// The aliases that links in these namespaces have.
        package var aliases: Set<String>
        /// The namespaces that have not been looked into.
        package var rest: [UInt32]

        package init(aliases: Set<String>, rest: [UInt32]) {
            self.aliases = aliases
            self.rest = rest
        }
    }

    /// Namespaces that one operation looks into.
    package static let namespacesMax = 16

    package var aliases: Set<String>
    /// The namespaces to look into; nil is all that there are.
    package var namespaces: [UInt32]?

    package init(_ aliases: Set<String>, in namespaces: [UInt32]? = nil) {
        self.aliases = aliases
        self.namespaces = namespaces
    }

    package static func makeContext() -> Context { LinkCommand.makeContext() }

    package var kind: String { "find links" }

    package func perform(in context: Context) -> Result<Found, NetlinkError> {
        do throws(NetlinkError) {
            let links = try context.open()
            let all = if let namespaces { namespaces } else { try links.namespaces() }
            var found: Set<String> = []
            for number in all.prefix(Self.namespacesMax) {
                found.formUnion(try links.aliases(aliases.subtracting(found), inNamespace: number))
            }
            return .success(Found(aliases: found, rest: Array(all.dropFirst(Self.namespacesMax))))
        } catch {
            return .failure(error)
        }
    }

    package static func problem(in answer: Result<Found, NetlinkError>) -> String? {
        if case .failure(let error) = answer { "\(error)" } else { nil }
    }
}
