// The file of a copy: a line of JSON that says what follows, then the octets that the server gave.

package import EVBSettings
internal import EVBWire
internal import JSON
internal import SettingsFile

/// The first line of a copy.
private struct Header: Codable {
    static let octetsMax = 8192

    /// Of the form of the file.
    var version = 1
    var manager: String?
    var url: String
    var etag: String?
    var lastModified: String?
    var fetched: Int
    var octets: Int
    var checksum: String
}

extension TypeCopy {
    /// Checks what a server gave.
    ///
    /// - Parameters:
    ///   - octets: the text.
    ///   - server: who gave it, and for whom it may speak.
    /// - Returns: the types.
    /// - Throws: what is wrong with the text, the first mistakes of it.
    package static func check(_ octets: [UInt8], of server: TypeServer) throws(TypeExchangeError) -> VSITypeDatabase {
        // A text that was cut off at the end of a line would pass for one with fewer types, and VSIs would end by it. One that was
        // cut off elsewhere has no line end.
        guard octets.last == 0x0A else {
            throw TypeExchangeError(description: "does not end with a line end, so it may have been cut off")
        }
        do throws(ConfigurationMistakes) {
            return try VSITypeDatabase.parse(octets, file: server.url, onlyFor: server.manager)
        } catch {
            // The server's name stands in the sentence before.
            let said = error.mistakes.prefix(3).map { mistake in
                let line = mistake.line.map { "line \($0): " } ?? ""
                let key = mistake.key.isEmpty ? "" : "\(mistake.key) "
                return "\(line)\(key)\(mistake.problem)"
            }
            let rest = error.mistakes.count > said.count ? ", and \(error.mistakes.count - said.count) more" : ""
            throw TypeExchangeError(description: "has mistakes: \(said.joined(separator: "; "))\(rest)")
        }
    }

    /// The file of a copy.
    package func encoded(_ octets: [UInt8], of server: TypeServer) -> [UInt8] {
        let header = Header(
            manager: server.manager?.text, url: url, etag: etag, lastModified: lastModified, fetched: fetched,
            octets: octets.count, checksum: checksum)
        return JSONCoding.encode(header) + [0x0A] + octets
    }

    /// Reads the copy of a server.
    ///
    /// - Parameters:
    ///   - server: the server.
    ///   - folder: where copies are.
    ///   - known: the copy that was read before; where the file has the same text, its types are taken without a look at them.
    /// - Returns: the copy, or nil if there is none.
    /// - Throws: why it cannot be used.
    package static func read(
        _ server: TypeServer, _ folder: String, known: TypeCopy? = nil
    ) throws(TypeExchangeError) -> TypeCopy? {
        let limit = TypeServer.sizeLimitRange.upperBound + Header.octetsMax
        guard let octets = try TypeExchange.read(TypeExchange.copy(of: server, folder), limit: limit) else {
            return nil
        }
        guard let end = octets.prefix(Header.octetsMax).firstIndex(of: 0x0A) else {
            throw TypeExchangeError(description: "it has no first line that says what it is")
        }
        let header = try TypeExchange.parse(Header.self, Array(octets[..<end]))
        let body = Array(octets[(end + 1)...])
        guard header.version == 1 else {
            throw TypeExchangeError(description: "it is of another version of evbd-types (\(header.version))")
        }
        let manager = header.manager.flatMap { ManagerName($0) }
        guard manager == server.manager, manager != nil || header.url == server.url else {
            throw TypeExchangeError(description: "it is the copy of another server")
        }
        guard header.octets == body.count, header.checksum == Checksum.of(body) else {
            throw TypeExchangeError(description: "it is damaged: its text is not what its first line says")
        }
        let isKnown = known?.checksum == header.checksum && known?.url == header.url
        let database: VSITypeDatabase
        if isKnown, let known { database = known.database } else { database = try check(body, of: server) }
        return TypeCopy(
            url: header.url, etag: header.etag, lastModified: header.lastModified,
            fetched: min(max(header.fetched, 0), 1 << 40), checksum: header.checksum, database: database)
    }
}

extension DaemonSettings {
    /// Takes the copies of all servers that ports name, from their folder.
    ///
    /// - Parameters:
    ///   - folder: where copies are.
    ///   - former: the settings in force: copies that were read before, and types that hold until a new server has spoken.
    package mutating func takeTypeCopies(_ folder: String, former: DaemonSettings?) {
        typeHoldings = [:]
        for server in typeServers where typeHoldings[server.id] == nil {
            typeHoldings[server.id] = Self.holding(of: server, folder, former)
        }
        vsiTypes = vsiTypesOfFiles
        for source in typeSources where !source.servers.isEmpty {
            let file = vsiTypesOfFiles[source] ?? VSITypeDatabase(file: source.description)
            vsiTypes[source] = .merged(file, source.servers.compactMap { typeHoldings[$0.id]?.database })
        }
    }

    private static func holding(of server: TypeServer, _ folder: String, _ former: DaemonSettings?) -> TypeHolding {
        let held = former?.typeHoldings[server.id]
        let known: TypeCopy? = if case .copy(let copy)? = held { copy } else { nil }
        do throws(TypeExchangeError) {
            if let copy = try TypeCopy.read(server, folder, known: known) { return .copy(copy) }
            // The file was there, and an operator has removed it: as long as evbd runs, what it has read holds.
            if let known { return .copy(known) }
            return .awaited(former: held?.database ?? former?.types(before: server))
        } catch {
            return .damaged(former: held?.database ?? former?.types(before: server), reason: error.description)
        }
    }

    /// What is in force of the types that a server is to give from now on.
    private func types(before server: TypeServer) -> VSITypeDatabase? {
        if let manager = server.manager {
            let parts = vsiTypes.sorted { $0.key.description < $1.key.description }.map { $0.value.part(of: manager) }
            return parts.first { !$0.types.isEmpty }
        }
        // All that one source had, where that cannot be doubted.
        return vsiTypes.count == 1 ? vsiTypes.first?.value : nil
    }
}
