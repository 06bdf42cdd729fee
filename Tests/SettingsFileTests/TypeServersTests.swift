import EVBSettings
import EVBWire
import Testing

@testable import SettingsFile

private func parse(_ lines: String) -> Result<DaemonSettings, ConfigurationMistakes> {
    let text = "ports:\n  - interface: port0\n    role: bridge\n" + lines
    return Result { () throws(ConfigurationMistakes) in try DaemonSettings.parse(Array(text.utf8), file: "evbd.yaml") }
}

@Suite struct TypeServersTests {
    @Test("OVL-517: a path, a URL, one server, and a list of a file and servers")
    func forms() throws {
        let path = try parse("    vsi-types: /etc/types.yaml\n").get().ports[0].vsiTypes
        #expect(path == VSITypesSource(file: "/etc/types.yaml"))
        let url = try parse("    vsi-types: https://one.example/types.yaml\n").get()
        #expect(url.ports[0].vsiTypes == VSITypesSource(servers: [TypeServer(url: "https://one.example/types.yaml")]))
        #expect(url.typeServers.map(\.interval) == [300])
        let list = """
                vsi-types:
                  - { file: /etc/local.yaml }
                  - { manager: 11, url: "https://one.example/", ca: /ca, certificate: /c, key: /k, interval: 60, timeout: 5, size-limit: 4096 }
                  - { manager: 12, url: "https://two.example:8443/x?y=z" }

            """
        let source = try #require(try parse(list).get().ports[0].vsiTypes)
        var one = TypeServer(url: "https://one.example/", manager: ManagerName("11"))
        (one.authorities, one.certificate, one.key) = ("/ca", "/c", "/k")
        (one.interval, one.timeout, one.sizeLimit) = (60, 5, 4096)
        #expect(source.file == "/etc/local.yaml" && source.servers.first == one && source.servers.count == 2)
        // What evbctl config shows is what the file may have again.
        let shown = try parse(list).get().document(withDefaults: false).pretty
        #expect(
            shown.contains("https://two.example:8443/x?y=z") && shown.contains("size-limit")
                && shown.contains("/etc/local.yaml"))
    }

    @Test(
        "OVL-518: each mistake in vsi-types is told with its line and a remedy",
        arguments: [
            ("http://one.example/", "is no https URL"), ("ftp://one.example/", "is no https URL"),
            ("https://user@one.example/", "has a user name in it"), ("https:///types", "names no host"),
            ("https://one.example/#x", "has a fragment"), ("types.yaml", "is not an absolute path"),
            ("[]", "names no source"), ("[{ manager: 1 }]", "is missing"),
            ("[{ url: https://a/ }, { url: https://b/ }]", "manager: is missing"),
            ("[{ manager: 1, url: https://a/ }, { manager: 1, url: https://b/ }]", "is a second server for manager 1"),
            ("[{ manager: 1, url: https://a/, key: /k }]", "stands without certificate"),
            ("[{ manager: 1, url: https://a/, interval: 1 }]", "is out of range"),
            ("[{ manager: 1, url: https://a/, timeout: 0 }]", "is out of range"),
            ("[{ manager: 1, url: https://a/, size-limit: 2000000 }]", "is out of range"),
            ("[{ file: /a, url: https://a/ }]", "does not apply to a file"),
            ("[{ file: /a }, { file: /b }]", "is the second file"),
            ("[{ manager: 1, uri: https://a/ }]", "did you mean url?"),
        ])
    func mistakes(value: String, words: String) {
        guard case .failure(let mistakes) = parse("    vsi-types: \(value)\n") else {
            Issue.record("\(value) was taken")
            return
        }
        #expect(mistakes.description.contains(words), "\(mistakes)")
        #expect(mistakes.mistakes.allSatisfy { $0.line == 4 && !$0.remedy.isEmpty }, "\(mistakes)")
    }

    @Test("OVL-519: one manager has one server with one set of keys, whichever ports name it, and there are at most 64")
    func oneServer() throws {
        let second =
            "  - interface: port1\n    role: bridge\n    vsi-types: [{ manager: 1, url: https://a/, interval: 60 }]\n"
        let first = "    vsi-types: [{ manager: 1, url: https://a/ }]\n"
        guard case .failure(let mistakes) = parse(first + second) else {
            Issue.record("two sets of keys were taken")
            return
        }
        #expect(mistakes.description.contains("is not the same as the server of manager 1 on line 4"), "\(mistakes)")
        let same = try parse(first + second.replacing(", interval: 60", with: "")).get()
        #expect(same.typeServers.count == 1)
        let many = (0...64).map { "{ manager: \($0 + 1), url: https://a/ }" }.joined(separator: ", ")
        guard case .failure(let tooMany) = parse("    vsi-types: [\(many)]\n") else {
            Issue.record("65 servers were taken")
            return
        }
        #expect(tooMany.description.contains("is one server more than 64"))
    }
}
