import EVBSettings
import EVBTime
import EVBWire
import Glibc
import LinuxSystem
import SettingsFile
import Testing

@testable import TypeCopies

private let types = Array("types:\n  - { type: 5, vlans: [7] }\n  - { type: 6, name: web }\n".utf8)

private func server(_ manager: String? = "11", _ url: String = "https://one.example/types.yaml") -> TypeServer {
    TypeServer(url: url, manager: manager.flatMap { ManagerName($0) })
}

/// A folder of its own, removed at the end.
private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = "/tmp/evbd-type-copies-\(Processes.ownID)-\(UInt32.random(in: 0...(.max)))"
    try Files.makeDirectory(folder, mode: 0o700)
    defer {
        for name in ["types/servers"] + ((try? Files.list(folder, limit: 100)) ?? []) {
            _ = try? Files.unlink("\(folder)/\(name)")
        }
        rmdir("\(folder)/types")
        rmdir(folder)
    }
    try body(folder)
}

/// Leaves a copy as evbd-types does.
@discardableResult
private func leave(
    _ text: [UInt8] = types, of server: TypeServer, in folder: String, fetched: Int = 1000
) throws -> TypeCopy {
    let copy = TypeCopy(
        url: server.url, etag: "\"a\"", lastModified: nil, fetched: fetched, checksum: Checksum.of(text),
        database: try TypeCopy.check(text, of: server))
    try Files.writeAtomically(
        TypeExchange.copy(of: server, folder), copy.encoded(text, of: server), mode: 0o644, isDurable: true)
    return copy
}

@Suite struct TypeCopyTests {
    @Test("OVL-501: a copy is read as it was left, its types the manager's own")
    func aCopyIsReadAsItWasLeft() throws {
        try withFolder { folder in
            let copy = try leave(of: server(), in: folder)
            let read = try #require(try TypeCopy.read(server(), folder))
            #expect(read == copy)
            #expect(read.database.types.map(\.manager) == [ManagerName("11"), ManagerName("11")])
            #expect(read.database.types.map(\.name) == ["11/5", "web"])
            #expect(try TypeCopy.read(server("12"), folder) == nil)
        }
    }

    @Test(
        "OVL-502: a copy that is cut, changed, too large, a link, a pipe or another's is not used, wherever it breaks")
    func aDamagedCopyIsNotUsed() throws {
        try withFolder { folder in
            try leave(of: server(), in: folder)
            let path = TypeExchange.copy(of: server(), folder)
            let whole = try Files.read(path, limit: 1 << 20)
            for length in 0..<whole.count {
                try Files.write(path, Array(whole[..<length]), mode: 0o644)
                #expect(throws: TypeExchangeError.self, "cut at \(length)") { try TypeCopy.read(server(), folder) }
            }
            for place in (whole.count - types.count)..<whole.count {
                var changed = whole
                changed[place] ^= 1
                try Files.write(path, changed, mode: 0o644)
                #expect(throws: TypeExchangeError.self, "changed at \(place)") { try TypeCopy.read(server(), folder) }
            }
            try Files.write(path, whole + [UInt8](repeating: 0x23, count: 2 << 20), mode: 0o644)
            #expect(throws: TypeExchangeError.self) { try TypeCopy.read(server(), folder) }
            try Files.write(path, whole, mode: 0o644)
            // Neither followed nor waited for.
            for make in [{ symlink("/etc/passwd", path) }, { mkfifo(path, 0o644) }] {
                _ = try Files.unlink(path)
                try #require(make() == 0)
                #expect(throws: TypeExchangeError.self) { try TypeCopy.read(server(), folder) }
            }
            _ = try Files.unlink(path)
            try Files.write(path, whole, mode: 0o644)
            #expect(try TypeCopy.read(server(), folder) != nil)
            let other = TypeExchange.copy(of: server("12"), folder)
            try Files.write(other, whole, mode: 0o644)
            #expect(throws: TypeExchangeError(description: "it is the copy of another server")) {
                try TypeCopy.read(server("12"), folder)
            }
        }
    }

    @Test("OVL-503: a random header or body ends no process and passes for no copy")
    func randomOctetsAreRefused() throws {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 0...(.max))
        print("OVL-503: EVBD_SEED=\(seed)")
        var random = SplitMix64(seed: seed)
        try withFolder { folder in
            let path = TypeExchange.copy(of: server(), folder)
            for _ in 0..<300 {
                let head = Array("{\"version\":1,\"url\":\"\(server().url)\",\"fetched\":\(Int.max)".utf8)
                let rest = (0..<Int.random(in: 0...64, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                try Files.write(path, head + rest, mode: 0o644)
                #expect(throws: TypeExchangeError.self) { try TypeCopy.read(server(), folder) }
                try Files.write(TypeExchange.report(folder), head + rest, mode: 0o644)
                #expect(throws: TypeExchangeError.self) { try TypeReport.read(folder) }
            }
            let report =
                "{\"seen\":1,\"answered\":1,\"servers\":[{\"id\":\"a\",\"url\":\"b\",\"next\":\(Int.max),\"tried\":\(Int.min)}]}"
            try Files.write(TypeExchange.report(folder), Array(report.utf8), mode: 0o644)
            let entry = try #require(try TypeReport.read(folder)?.servers.first)
            #expect(entry.next == 1 << 40 && entry.tried == 0)
        }
    }

    @Test(
        "OVL-504: what a server may not give is refused, with the line and what is wrong",
        arguments: [
            ("types:\n  - { type: 5, manager: 12 }\n", "the server speaks for manager 11 alone"),
            ("types: []\ndefault-manager: 11\n", "it goes for all managers"),
            ("types: []\nallow-macs: [02:00:00:00:00:01]\n", "it goes for all managers"),
            ("types: []\nprotected-macs: [02:00:00:00:00:01]\n", "it goes for all managers"),
            ("types:\n  - { type: 5 }", "may have been cut off"),
            ("types: &a\n  - { type: 5 }\n", "an anchor"),
            ("<html></html>\n", "a single value"),
            ("", "may have been cut off"), ("\n", "is empty"),
        ])
    func whatAServerMayNotGive(text: String, words: String) {
        let error = #expect(throws: TypeExchangeError.self) { try TypeCopy.check(Array(text.utf8), of: server()) }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test("OVL-505: a list and a report are read as they were written; what no evbd would name is left out")
    func listAndReport() throws {
        try withFolder { folder in
            var one = server()
            (one.authorities, one.certificate, one.key) = ("/ca", "/cert", "/key")
            (one.interval, one.timeout, one.sizeLimit) = (60, 5, 4096)
            let list = TypeServerList(request: 3, servers: [one, server(nil, "https://two/")])
            try list.write(folder)
            #expect(try TypeServerList.read(folder) == list && list.typeServers == [one, server(nil, "https://two/")])
            var odd = list
            odd.servers[0].interval = 0
            odd.servers[1].manager = String(repeating: "x", count: 40)
            #expect(odd.typeServers.isEmpty)
            var entry = TypeReport.Entry(id: one.id, url: one.url)
            (entry.tried, entry.problem) = (12, "no")
            let report = TypeReport(seen: 3, answered: 2, servers: [entry])
            try report.write(folder)
            #expect(try TypeReport.read(folder) == report)
        }
    }
}

@Suite struct TypeHoldingsTests {
    private func settings(_ source: VSITypesSource, file: VSITypeDatabase? = nil) -> DaemonSettings {
        var port = PortSettings(interface: "port0")
        port.role = .bridge
        port.vsiTypes = source
        var settings = DaemonSettings(ports: [port])
        settings.vsiTypesOfFiles[source] = file ?? VSITypeDatabase(file: source.description)
        return settings
    }

    private func names(_ settings: DaemonSettings) -> [String] {
        settings.vsiTypes.values.flatMap { $0.types.map(\.name) }
    }

    @Test("OVL-506: types of a file and of servers are one database, and no server takes another's name")
    func merged() throws {
        try withFolder { folder in
            let (one, two) = (server("11"), server("12", "https://two.example/"))
            try leave(of: one, in: folder)
            try leave(of: two, in: folder)
            var local = VSITypeDatabase(file: "/local")
            local.append(VSIType(name: "shared", typeID: 9))
            var fresh = settings(VSITypesSource(file: "/local", servers: [one, two]), file: local)
            fresh.takeTypeCopies(folder, former: nil)
            #expect(names(fresh) == ["shared", "11/5", "web", "12/5", "12/web"])
        }
    }

    @Test("OVL-507: until a new server has spoken, types of its manager that were in force stay")
    func formerTypesStay() throws {
        try withFolder { folder in
            var local = VSITypeDatabase(file: "/local")
            local.append(VSIType(name: "mine", manager: ManagerName("11"), typeID: 5))
            local.append(VSIType(name: "other", manager: ManagerName("12"), typeID: 5))
            var former = settings(VSITypesSource(file: "/local"), file: local)
            former.takeTypeCopies(folder, former: nil)
            var fresh = settings(VSITypesSource(servers: [server("11")]))
            fresh.takeTypeCopies(folder, former: former)
            #expect(names(fresh) == ["mine"])
            // It stays so at the next look, and ends with the server's first word.
            var again = fresh
            again.takeTypeCopies(folder, former: fresh)
            #expect(names(again) == ["mine"])
            try leave(of: server("11"), in: folder)
            again.takeTypeCopies(folder, former: fresh)
            #expect(names(again) == ["11/5", "web"])
        }
    }

    @Test("OVL-508: a copy that is damaged while evbd runs leaves what was read before; after a restart there is none")
    func damagedWhileRunning() throws {
        try withFolder { folder in
            try leave(of: server(), in: folder)
            var held = settings(VSITypesSource(servers: [server()]))
            held.takeTypeCopies(folder, former: nil)
            try Files.write(TypeExchange.copy(of: server(), folder), [1, 2, 3], mode: 0o644)
            var fresh = held
            fresh.takeTypeCopies(folder, former: held)
            #expect(names(fresh) == ["11/5", "web"])
            guard case .damaged? = fresh.typeHoldings[server().id] else { Issue.record("not damaged"); return }
            fresh.takeTypeCopies(folder, former: nil)
            #expect(names(fresh).isEmpty)
        }
    }

    @Test("OVL-509: a manager's copy holds when its server gets another URL; without a manager, the URL is the server")
    func anotherURL() throws {
        try withFolder { folder in
            try leave(of: server(), in: folder)
            var moved = settings(VSITypesSource(servers: [server("11", "https://new.example/")]))
            moved.takeTypeCopies(folder, former: nil)
            #expect(names(moved) == ["11/5", "web"])
            try leave(of: server(nil), in: folder)
            var alone = settings(VSITypesSource(servers: [server(nil, "https://new.example/")]))
            alone.takeTypeCopies(folder, former: nil)
            #expect(names(alone).isEmpty)
        }
    }
}
