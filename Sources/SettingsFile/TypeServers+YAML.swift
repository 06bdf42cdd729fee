// The key vsi-types of a port: a path, a URL, or a list of files and servers.

internal import EVBSettings
internal import EVBWire
internal import TerminalText

extension ConfigurationReader {
    private static let serverKeys = [
        "url", "manager", "ca", "certificate", "key", "interval", "timeout", "size-limit",
    ]
    private static let sourceRemedy =
        "give the path of a file, the https URL of a server, or a list with an entry {file: } or {manager: , url: } for each"

    /// Where a port's VSI types come from.
    mutating func typesSource(_ node: YAMLNode, _ path: String) -> VSITypesSource? {
        switch node.content {
        case .sequence(let items):
            guard !items.isEmpty else {
                note(node.line, path, "names no source", "\(Self.sourceRemedy); leave it out to accept every VSI type")
                return nil
            }
            return typesSource(items, path)
        case .mapping: return typesSource([node], path, isList: false)
        case .scalar(let text, _) where text.utf8.range(of: "://".utf8) != nil:
            guard let url = url(node, path) else { return nil }
            return VSITypesSource(servers: [record(TypeServer(url: url), node.line, path)])
        case .scalar, .refused: return self.path(node, path).map { VSITypesSource(file: $0) }
        }
    }

    private mutating func typesSource(_ items: [YAMLNode], _ path: String, isList: Bool = true) -> VSITypesSource? {
        var source = VSITypesSource()
        let isAlone = items.count == 1
        for (index, item) in items.enumerated() {
            let place = isList ? "\(path)[\(index)]" : path
            guard let entries = mapping(item, place, keys: ["file"] + Self.serverKeys) else { continue }
            if let node = entries["file"]?.value {
                for key in Self.serverKeys {
                    guard let entry = entries[key] else { continue }
                    note(
                        entry.line, "\(place).\(key)", "does not apply to a file of this host",
                        "remove it, or file: for a server")
                }
                if source.file != nil { note(item.line, place, "is the second file", "give one file at most") }
                source.file = self.path(node, "\(place).file")
                continue
            }
            guard let server = server(entries, item.line, place) else { continue }
            if server.manager == nil, !isAlone {
                note(
                    item.line, "\(place).manager", "is missing",
                    "give the manager for which this server speaks; only a server that is the one source may give all types"
                )
            }
            if source.servers.contains(where: { $0.id == server.id }) {
                note(item.line, place, "is a second server for \(server.name)", "give every manager one server")
            } else {
                source.servers.append(record(server, item.line, place))
            }
        }
        return source
    }

    private mutating func server(_ entries: [String: YAMLEntry], _ line: Int, _ path: String) -> TypeServer? {
        guard let node = entries["url"]?.value else {
            note(line, "\(path).url", "is missing", "give the https URL of the server, or file: and a path")
            return nil
        }
        guard let url = url(node, "\(path).url") else { return nil }
        var server = TypeServer(url: url)
        if let node = entries["manager"]?.value { server.manager = manager(node, "\(path).manager") }
        if let node = entries["ca"]?.value { server.authorities = self.path(node, "\(path).ca") }
        if let node = entries["certificate"]?.value { server.certificate = self.path(node, "\(path).certificate") }
        if let node = entries["key"]?.value { server.key = self.path(node, "\(path).key") }
        for (here, there) in [("key", "certificate"), ("certificate", "key")] where entries[there] == nil {
            guard let entry = entries[here] else { continue }
            note(entry.line, "\(path).\(here)", "stands without \(there)", "give both, or none")
        }
        if let node = entries["interval"]?.value {
            server.interval = integer(node, "\(path).interval", in: TypeServer.intervalRange) ?? server.interval
        }
        if let node = entries["timeout"]?.value {
            server.timeout = integer(node, "\(path).timeout", in: TypeServer.timeoutRange) ?? server.timeout
        }
        if let node = entries["size-limit"]?.value {
            server.sizeLimit = integer(node, "\(path).size-limit", in: TypeServer.sizeLimitRange) ?? server.sizeLimit
        }
        return server
    }

    /// One server has one way to it, whichever ports name it.
    private mutating func record(_ server: TypeServer, _ line: Int, _ path: String) -> TypeServer {
        if let first = typeServers[server.id] {
            if first.server != server {
                note(
                    line, path, "is not the same as the server of \(server.name) on line \(first.line)",
                    "give \(server.name) the same server with the same keys at every port")
            }
        } else {
            if typeServers.count == TypeServer.countMax {
                note(line, path, "is one server more than \(TypeServer.countMax)", "give fewer servers")
            }
            typeServers[server.id] = (server, line)
        }
        return server
    }

    private mutating func url(_ node: YAMLNode, _ path: String) -> String? {
        let remedy = "give one such as https://manager.example/types.yaml"
        guard let text = text(node, path, remedy) else { return nil }
        guard let problem = Self.problem(ofURL: text) else { return text }
        note(node.line, path, "\(Self.quoted(text)) \(problem)", remedy)
        return nil
    }

    /// Why a text is no URL from which types may be fetched; nil if it is one.
    static func problem(ofURL text: String) -> String? {
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C }) else {
            return "has characters that a URL cannot have"
        }
        guard text.utf8.count <= TypeServer.urlMax else { return "is longer than \(TypeServer.urlMax) octets" }
        let scheme = "https://"
        guard text.lowercased().hasPrefix(scheme) else {
            return "is no https URL (without TLS, types could be changed on their way)"
        }
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { !"/?#".contains($0) }
        guard !authority.contains("@") else {
            return "has a user name in it, which logs would show (a server knows evbd by certificate: and key:)"
        }
        guard !authority.isEmpty, authority.first != ":" else { return "names no host" }
        guard !rest.contains("#") else { return "has a fragment (#)" }
        return nil
    }
}
