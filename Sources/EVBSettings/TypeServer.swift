// Where the VSI types of a bridge port come from: a file, servers, or both. Values only; evbd-types fetches, TypeCopies reads.

internal import EVBWire

/// Where the VSI types of a port come from.
package struct VSITypesSource: Sendable, Hashable {
    /// The absolute path of a file on this host; nil for none.
    package var file: String?
    /// The servers, in the order of the configuration, each manager at most once.
    package var servers: [TypeServer]

    package init(file: String? = nil, servers: [TypeServer] = []) {
        self.file = file
        self.servers = servers
    }

    /// What log lines and mistakes call it.
    package var description: String { ([file].compactMap(\.self) + servers.map(\.url)).joined(separator: ", ") }
}

/// A server from which evbd-types fetches VSI types.
package struct TypeServer: Sendable, Hashable {
    /// The manager for which the server speaks, and for no other; nil where it gives all that a file of VSI types may have.
    package var manager: ManagerName?
    /// An https URL of printable ASCII, without user information and without a fragment.
    package var url: String
    /// The absolute path of the certificates (PEM) by one of which the server's is signed; nil for those that the host trusts.
    package var authorities: String?
    /// The absolute path of evbd's own certificate (PEM); nil shows none.
    package var certificate: String?
    /// The absolute path of the key of ``certificate``.
    package var key: String?
    /// Seconds between two questions.
    package var interval = 300
    /// Seconds that one question may take.
    package var timeout = 30
    /// Octets that the answer may have.
    package var sizeLimit = Self.sizeLimitRange.upperBound

    package static let intervalRange = 10...86_400
    package static let timeoutRange = 1...600
    /// No file of VSI types may be larger, wherever it comes from.
    package static let sizeLimitRange = 1024...(1 << 20)
    /// Servers of one evbd.
    package static let countMax = 64
    /// Octets of a URL.
    package static let urlMax = 2048

    package init(url: String, manager: ManagerName? = nil) {
        self.url = url
        self.manager = manager
    }

    /// What operators call it.
    package var name: String { manager.map { "manager \($0.text)" } ?? url }

    /// What makes it one server, also where its URL becomes another: its manager, or else its URL. It is a file's name, too.
    package var id: String {
        guard let manager else { return "url-\(Checksum.of(Array(url.utf8)))" }
        let numbers = manager.identifiers.map { "\(String($0.high, radix: 16))-\(String($0.low, radix: 16))" }
        return "manager-\(numbers.min() ?? "")"
    }
}

/// FNV-1a in 64 bits: what tells a file that was damaged from one that is whole. No protection against purpose.
package enum Checksum {
    package static func of(_ octets: some Sequence<UInt8>) -> String {
        let value = octets.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// VSI types as a server gave them.
package struct TypeCopy: Sendable, Equatable {
    /// Where they came from; another than the server's URL where that has changed since.
    package var url: String
    /// The server's ETag, as it was given.
    package var etag: String?
    /// The server's Last-Modified, as it was given.
    package var lastModified: String?
    /// When they were fetched, in seconds since 1970.
    package var fetched: Int
    /// The ``Checksum`` of the server's octets.
    package var checksum: String
    package var database: VSITypeDatabase

    package init(
        url: String, etag: String?, lastModified: String?, fetched: Int, checksum: String, database: VSITypeDatabase
    ) {
        self.url = url
        self.etag = etag
        self.lastModified = lastModified
        self.fetched = fetched
        self.checksum = checksum
        self.database = database
    }
}

/// What is held of a server.
package enum TypeHolding: Sendable, Equatable {
    /// The server has given nothing yet. Types of its manager that were in force before, by another source, stay.
    case awaited(former: VSITypeDatabase?)
    /// The latest copy.
    case copy(TypeCopy)
    /// The file of the latest copy cannot be used; what was read before, if anything was, stays.
    case damaged(former: VSITypeDatabase?, reason: String)

    /// The types that hold for the server.
    package var database: VSITypeDatabase? {
        switch self {
        case .awaited(let former), .damaged(let former, _): former
        case .copy(let copy): copy.database
        }
    }
}

extension DaemonSettings {
    /// The sources of all ports and channels, each once.
    package var typeSources: Set<VSITypesSource> {
        let channels = uplinks.flatMap { [$0.template] + Array($0.overrides.values) }
        return Set((ports + channels).compactMap(\.vsiTypes))
    }

    /// All servers, each once, in an order that stays.
    package var typeServers: [TypeServer] {
        Set(typeSources.flatMap(\.servers)).sorted { ($0.id, $0.url) < ($1.id, $1.url) }
    }
}

extension VSITypeDatabase {
    /// The types of a file and those of servers as one database.
    ///
    /// A server's type that bears the name of another gets its manager's name before it: a server cannot take a name away.
    /// - Parameters:
    ///   - file: what the file says, and what goes for all ports of the source.
    ///   - parts: the types of each server.
    /// - Returns: the database.
    package static func merged(_ file: VSITypeDatabase, _ parts: [VSITypeDatabase]) -> VSITypeDatabase {
        var whole = file
        for part in parts {
            whole.defaultManager = whole.defaultManager ?? part.defaultManager
            whole.allowedAddresses.formUnion(part.allowedAddresses)
            whole.protectedAddresses.formUnion(part.protectedAddresses)
            for var type in part.types {
                if whole.type(named: type.name) != nil { type.name = "\(type.manager?.text ?? "-")/\(type.name)" }
                whole.append(type)
            }
        }
        return whole
    }

    /// The part that is a manager's own; all of it for no manager.
    package func part(of manager: ManagerName?) -> VSITypeDatabase {
        guard let manager else { return self }
        var part = VSITypeDatabase(file: file)
        for type in types where type.manager == manager { part.append(type) }
        return part
    }
}
