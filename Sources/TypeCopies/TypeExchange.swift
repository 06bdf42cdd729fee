// What evbd and evbd-types hand to each other: evbd the list of servers, evbd-types a file for each server and a report.
//
// Neither trusts the other: files are read to a limit, from regular files alone, and whole or not at all.

package import EVBSettings
internal import EVBWire
internal import JSON
package import LinuxSystem

/// Where the files of the two are.
package enum TypeExchange {
    /// The folder of evbd's list below its runtime directory: nothing else changes there.
    package static func listFolder(_ runtimeDirectory: String) -> String { "\(runtimeDirectory)/types" }
    /// evbd's list of servers.
    package static func list(_ runtimeDirectory: String) -> String { "\(listFolder(runtimeDirectory))/servers" }
    /// evbd-types' report.
    package static func report(_ copies: String) -> String { "\(copies)/report" }
    /// The copy of what a server gave.
    package static func copy(of server: TypeServer, _ copies: String) -> String { "\(copies)/\(server.id)" }
    /// Where evbd-types keeps copies if nothing else is said.
    package static let standardFolder = "/var/lib/evbd-types"

    /// Octets of a list or a report.
    static let textMax = 1 << 20

    static func parse<Value: Decodable>(_ type: Value.Type, _ octets: [UInt8]) throws(TypeExchangeError) -> Value {
        do {
            return try JSONCoding.decode(type, from: JSONValue(parsing: octets))
        } catch let error as JSONError {
            throw TypeExchangeError(description: "it is not JSON: \(error)")
        } catch {
            let place = JSONCoding.place(of: error)
            throw TypeExchangeError(
                description: place.isEmpty
                    ? "it has not the form that is expected" : "\(place) has not the expected form")
        }
    }

    static func read(_ path: String, limit: Int) throws(TypeExchangeError) -> [UInt8]? {
        do {
            return try Files.readRegular(path, limit: limit)
        } catch {
            if error.isMissing { return nil }
            throw TypeExchangeError(description: "it cannot be read: \(error)")
        }
    }
}

/// Why a file of the other one cannot be used, as the rest of a sentence.
package struct TypeExchangeError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

/// The list that evbd gives to evbd-types.
package struct TypeServerList: Codable, Sendable, Equatable {
    package struct Entry: Codable, Sendable, Equatable {
        package var manager: String?
        package var url: String
        package var authorities: String?
        package var certificate: String?
        package var key: String?
        package var interval: Int
        package var timeout: Int
        package var sizeLimit: Int
    }

    /// Counts the questions that are to be asked at once; a report says to which it is the answer.
    package var request: Int
    package var servers: [Entry]

    package init(request: Int, servers: [TypeServer]) {
        self.request = request
        self.servers = servers.map {
            Entry(
                manager: $0.manager?.text, url: $0.url, authorities: $0.authorities, certificate: $0.certificate,
                key: $0.key, interval: $0.interval, timeout: $0.timeout, sizeLimit: $0.sizeLimit)
        }
    }

    /// The servers; those that no evbd would name are left out.
    package var typeServers: [TypeServer] {
        servers.prefix(TypeServer.countMax).compactMap { entry in
            var server = TypeServer(url: entry.url)
            if let text = entry.manager {
                guard let manager = ManagerName(text) else { return nil }
                server.manager = manager
            }
            (server.authorities, server.certificate, server.key) = (entry.authorities, entry.certificate, entry.key)
            (server.interval, server.timeout, server.sizeLimit) = (entry.interval, entry.timeout, entry.sizeLimit)
            guard TypeServer.intervalRange.contains(server.interval), TypeServer.timeoutRange.contains(server.timeout),
                TypeServer.sizeLimitRange.contains(server.sizeLimit)
            else { return nil }
            return server
        }
    }

    /// Reads the list of an evbd; nil if it has left none.
    package static func read(_ runtimeDirectory: String) throws(TypeExchangeError) -> TypeServerList? {
        let octets = try TypeExchange.read(TypeExchange.list(runtimeDirectory), limit: TypeExchange.textMax)
        guard let octets else { return nil }
        return try TypeExchange.parse(Self.self, octets)
    }

    /// Leaves the list for evbd-types.
    package func write(_ runtimeDirectory: String) throws(SystemError) {
        try Files.makeDirectory(TypeExchange.listFolder(runtimeDirectory), mode: 0o755)
        try Files.writeAtomically(TypeExchange.list(runtimeDirectory), JSONCoding.encode(self), mode: 0o644)
    }
}

/// What evbd-types says of its work.
package struct TypeReport: Codable, Sendable, Equatable {
    package struct Entry: Codable, Sendable, Equatable {
        /// The server's ID.
        package var id: String
        package var url: String
        /// When it was asked last, and when it will be next, in seconds since 1970.
        package var tried: Int?
        package var next: Int?
        /// When it last said that the copy is what it gives.
        package var confirmed: Int?
        /// Why the last question gave nothing, as a sentence without a stop; nil if it did.
        package var problem: String?
        /// What to do about it.
        package var hint: String?

        package init(id: String, url: String) {
            self.id = id
            self.url = url
        }
    }

    /// The request of evbd's list that has been read.
    package var seen: Int
    /// The request of evbd's list that has been answered for all servers.
    package var answered: Int
    package var servers: [Entry]

    package init(seen: Int, answered: Int, servers: [Entry]) {
        self.seen = seen
        self.answered = answered
        self.servers = servers
    }

    /// Reads the report; nil if there is none.
    package static func read(_ folder: String) throws(TypeExchangeError) -> TypeReport? {
        guard let octets = try TypeExchange.read(TypeExchange.report(folder), limit: TypeExchange.textMax) else {
            return nil
        }
        var report = try TypeExchange.parse(Self.self, octets)
        // What is not a time of this world would trap in a sum.
        func moment(_ seconds: Int?) -> Int? { seconds.map { min(max($0, 0), 1 << 40) } }
        for index in report.servers.indices {
            report.servers[index].tried = moment(report.servers[index].tried)
            report.servers[index].next = moment(report.servers[index].next)
            report.servers[index].confirmed = moment(report.servers[index].confirmed)
        }
        return report
    }

    /// Leaves the report for evbd.
    package func write(_ folder: String) throws(SystemError) {
        try Files.writeAtomically(TypeExchange.report(folder), JSONCoding.encode(self), mode: 0o644)
    }
}
