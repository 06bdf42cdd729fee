import ArgumentParser
import EVBControl
import EVBModel
import JSON
import Testing

@testable import evbctl

private let full = ["5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51", "--port", "eth0", "--type", "0x1234"]

@Suite struct ArgumentTests {
    private func associate(_ rest: String...) throws -> VSIRequest {
        let command = try Evbctl.parseAsRoot(["vsi", "associate"] + full + rest)
        return try #require(command as? VSIAssociate).options.request(full[0], reserve: false)
    }

    @Test func theLeast() throws {
        #expect(
            try associate()
                == VSIRequest(vsiID: full[0], port: "eth0", typeID: 0x1234, waitMilliseconds: 30_000))
        #expect(try associate("--no-wait").waitMilliseconds == 0)
        #expect(try associate("--wait", "5").waitMilliseconds == 5000)
    }

    @Test func everything() throws {
        let request = try associate(
            "--manager", "5", "--type-version", "255", "--filter", "mac=52:54:00:00:C7:3E,vlan=100,pcp=5,group=7",
            "--filter", "vlan=0", "--suspended", "--link", "vm1", "--link-kind", "macvlan", "--link-mode", "passthru")
        #expect(
            request
                == VSIRequest(
                    vsiID: full[0], port: "eth0", managerID: "5", typeID: 0x1234, typeVersion: 255,
                    filters: [
                        VSIFilter(mac: "52:54:00:00:c7:3e", vlan: 100, pcp: 5, group: 7), VSIFilter(vlan: 0),
                    ], suspended: true, link: VSILink(name: "vm1", kind: .macvlan, mode: .passthru),
                    waitMilliseconds: 30_000))
    }

    @Test func everythingOfALink() throws {
        let request = try associate(
            "--link", "vm1", "--link-kind", "macvlan", "--link-mode", "source", "--link-mtu", "9000",
            "--link-source", "52:54:00:00:C7:3E", "--link-source", "52:54:00:00:c7:3f", "--no-wait")
        #expect(
            request
                == VSIRequest(
                    vsiID: full[0], port: "eth0", typeID: 0x1234,
                    link: VSILink(name: "vm1", kind: .macvlan, mode: .source), linkMTU: 9000,
                    linkSources: ["52:54:00:00:c7:3e", "52:54:00:00:c7:3f"]))
        let sent = try JSONValue(parsing: JSONCoding.encode(request))
        #expect(try JSONCoding.decode(VSIRequest.self, from: sent) == request)
    }

    @Test("HEAL-1104 a link with allmulticast is asked for, or without; nothing is said by default")
    func allmulticast() throws {
        for (words, expected) in [
            ([], nil), (["--link-allmulticast"], true), (["--no-link-allmulticast"], false),
        ] as [([String], Bool?)] {
            let command = try Evbctl.parseAsRoot(["vsi", "associate"] + full + ["--link", "vm1"] + words)
            let request = try #require(command as? VSIAssociate).options.request(full[0], reserve: false)
            #expect(request.linkAllmulticast == expected)
            let sent = try JSONValue(parsing: JSONCoding.encode(request))
            #expect(try JSONCoding.decode(VSIRequest.self, from: sent) == request)
        }
    }

    @Test func globalOptionsStandAnywhere() throws {
        let cases: [([String], [String])] = [
            ([], []), (["status"], ["status"]), (["--json", "status"], ["status", "--json"]),
            (["--socket", "/s", "vsi", "list", "--port", "p"], ["vsi", "list", "--port", "p", "--socket", "/s"]),
            (
                ["--json", "--socket=/s", "vsi", "show", "--", "-x"],
                ["vsi", "show", "--json", "--socket=/s", "--", "-x"]
            ),
            (["--socket"], ["--socket"]), (["status", "--json"], ["status", "--json"]),
        ]
        for (arguments, expected) in cases { #expect(Evbctl.withGlobalOptionsLast(arguments) == expected) }
        let command = try Evbctl.parseAsRoot(Evbctl.withGlobalOptionsLast(["--socket", "/s", "--json", "status"]))
        let global = try #require(command as? Status).global
        #expect(global.socketPath == "/s" && global.json)
    }

    @Test("VDP-30 organizationally specific TLVs are given as OUI and octets")
    func organizational() throws {
        let request = try associate("--organizational", "00000c:f105", "--organizational", "001B3F:")
        #expect(
            request.organizational == [
                VSIOrganizationalTLV(oui: "00000c", data: "f105"), VSIOrganizationalTLV(oui: "001B3F", data: ""),
            ])
        #expect(request.organizational.map(\.ouiOctets) == [[0, 0, 0x0C], [0, 0x1B, 0x3F]])
        #expect(request.organizational.map(\.dataOctets) == [[0xF1, 0x05], []])
        for wrong in ["00000c", "0000:00", "00000c:f", "00000c:xy", "00000c:" + String(repeating: "00", count: 509)] {
            #expect(throws: (any Error).self) { try associate("--organizational", wrong) }
        }
    }

    @Test func reserveBelongsToPreassociate() throws {
        let command = try Evbctl.parseAsRoot(["vsi", "preassociate"] + full + ["--reserve"])
        #expect(try #require(command as? VSIPreassociate).reserve)
        #expect(throws: (any Error).self) { try associate("--reserve") }
    }

    @Test(arguments: [
        (["--wait", "5", "--no-wait"], "give --wait or --no-wait, not both"),
        (["--wait", "3601"], "--wait 3601 is out of range; give 0 to 3600 seconds"),
        (["--type-version", "256"], "--type-version 256 is out of range; give 0 to 255"),
        (["--migrating", "--suspended"], "give --migrating (to here) or --suspended (here), not both"),
        (["--link-mode", "vepa"], "--link-kind, --link-mode and --link-mtu need --link"),
        (["--link", "vm0", "--link-mtu", "67"], "--link-mtu 67 is out of range"),
        (["--link", String(repeating: "x", count: 25)], "it is longer than 15 octets; give 1 to 15 octets"),
        (["--label", "a\u{7}"], "the label has a character that is not shown"),
        (["--link", "vm0", "--link-mode", "source"], "--link-mode source needs --link-kind macvlan and --link-source"),
        (["--link", "vm0", "--link-source", "52:54:00:00:c7:3e"], "--link-source needs --link-mode source"),
        (
            ["--link", "vm0", "--link-kind", "macvlan", "--link-mode", "source", "--link-source", "x"],
            "x is no MAC address"
        ),
        (["--filter", "vlan=4095"], "vlan=4095 is out of range; give 0 to 4094"),
        (["--filter", "vlan=1,vlan=2"], "vlan is given twice in a filter"),
        (["--filter", "vid=1"], "\"vid\" is no key of a filter; known are mac, vlan, pcp and group"),
        (["--filter", "vlan"], "\"vlan\" is no part of a filter; give key=value, with commas between"),
        (["--filter", "vlan=1,"], "\"\" is no part of a filter; give key=value, with commas between"),
        (["--filter", "mac=1:2"], "mac=1:2 is no MAC address; give one like 52:54:00:00:c7:3e"),
        (["--filter", "pcp=1"], "pcp is the priority on a VLAN; give vlan=0 to have the bridge choose one"),
        (["--type", "16777216"], "16777216 is no VSI type; give 0 to 16777215, or 0x0 to 0xffffff"),
        (["--type", "0x+1"], "0x+1 is no VSI type; give 0 to 16777215, or 0x0 to 0xffffff"),
        (["--frobnicate"], "Unknown option '--frobnicate'"),
    ]) func wrongArguments(_ rest: [String], _ message: String) {
        let error = #expect(throws: (any Error).self) {
            try Evbctl.parseAsRoot(["vsi", "associate"] + full + rest)
        }
        guard let error else { return }
        #expect(Evbctl.fullMessage(for: error).contains(message), "\(Evbctl.fullMessage(for: error))")
        #expect(Evbctl.exitCode(for: error).rawValue == 64)
    }
}

@Suite struct FilteringTests {
    @Test("OPS-408 250 filters with a MAC address are refused with the limit that holds for them")
    func filters() {
        let words = (0..<250).flatMap { _ in ["--filter", "mac=52:54:00:00:c7:3e"] }
        let error = #expect(throws: (any Error).self) { try Evbctl.parseAsRoot(["vsi", "associate"] + full + words) }
        guard let error else { return }
        #expect(Evbctl.fullMessage(for: error).contains("250 times --filter is too often; give at most 60, "))
    }

    @Test("OPS-407 a monitor has the events to which every option fits")
    func monitor() throws {
        func isShown(_ words: String..., event: ControlEvent, vsis: Set<String> = []) throws -> Bool {
            let command = try Evbctl.parseAsRoot(["monitor"] + words) as? Monitor
            return try #require(command).fits(event, vsis)
        }
        let vsi = ControlEvent(timeMilliseconds: 0, kind: .vsi, port: "eth0", vsiID: "A", message: "m")
        let peer = ControlEvent(timeMilliseconds: 0, kind: .peer, port: "eth1", message: "m")
        #expect(try isShown(event: vsi) && isShown(event: peer))
        #expect(try isShown("--kind", "vsi", event: vsi) && !isShown("--kind", "vsi", event: peer))
        #expect(try isShown("--kind", "vsi", "--kind", "peer", event: peer))
        #expect(try isShown("--port", "eth1", event: peer) && !isShown("--port", "eth1", event: vsi))
        #expect(try !isShown("--port", "eth1", "--kind", "vsi", event: peer))
        #expect(
            try isShown(event: vsi, vsis: ["a"]) && !isShown(event: vsi, vsis: ["b"])
                && !isShown(event: peer, vsis: ["a"]))
    }

    @Test("OPS-405 options of tables are refused where they would do nothing")
    func tables() throws {
        for words in [
            ["--json", "--columns", "vsi"], ["--json", "--wide"], ["--json", "--no-headers"],
            ["--wide", "--columns", "vsi"],
            ["--columns", "frob"], ["--sort", "vsi,"], ["--mac", "1"],
        ] {
            #expect(throws: (any Error).self, "\(words)") { try Evbctl.parseAsRoot(["vsi", "list"] + words) }
        }
        let command = try Evbctl.parseAsRoot(["vsi", "list", "--columns", "vsi,LINK", "--sort", "link", "--reverse"])
        let view = try #require(command as? VSIList).table.view
        #expect(view == TableView(columns: ["vsi", "link"], sort: ["link"], isReversed: true))
    }

    @Test("OPS-407 status --watch has a period of two seconds, or another")
    func watching() throws {
        func period(_ words: String...) throws -> Int? {
            try #require(try Evbctl.parseAsRoot(["status"] + words) as? Status).watch
        }
        #expect(
            try period() == nil && period("--watch") == 2 && period("--watch", "5") == 5 && period("--watch=7") == 7)
        #expect(throws: (any Error).self) { try period("--watch", "0") }
    }
}

@Suite struct FailureTests {
    private let port = ControlError(.noSuchPort(port: "eth9"))

    @Test("OPS-404 every failure has its status and its name, and as JSON an error, a message and a remedy")
    func everyFailureHasItsStatus() {
        let refused = ControlError.Failure.refused(
            port: "eth0", vsiID: "x", reason: .insufficientResources, hard: false, kept: true)
        let cases: [(ControlClientError, Int32)] = [
            (.noDaemon(socket: "/s", cause: .absent), 3), (.noDaemon(socket: "/s", cause: .forbidden), 77),
            (.silent(socket: "/s", milliseconds: 10_000), 3), (.closed(socket: "/s"), 3),
            (.garbled(socket: "/s", detail: "d"), 3), (.misunderstood(error: "e", detail: nil), 1),
            (.refused(ControlError(refused)), 1), (.refused(port), 1),
            (.refused(ControlError(.noSuchVSI(vsiID: "x", port: nil))), 1),
            (.refused(ControlError(.linkFailed(port: "p", vsiID: "x", link: "l", cause: "c"))), 1),
            (.refused(ControlError(.busy(limit: "l"))), 1),
            (.refused(ControlError(.readOnly(method: "Associate"))), 77),
            (.refused(ControlError(.notPermitted(method: "SetLogLevel"))), 77),
            (.refused(ControlError(.notShown(method: "Capture"))), 77),
            (.refused(ControlError(.typesNotFetched)), 1),
            (.refused(ControlError(.noAnswer(port: "p", vsiID: "x", waitedMilliseconds: 1))), 4),
            (.refused(ControlError(.noBridge(port: "p", vsiID: nil))), 4),
            (.refused(ControlError(.invalidArgument(argument: "vsiID"))), 64),
        ]
        for (error, status) in cases {
            #expect(Failure(error).status == status, "\(error)")
            #expect(Failure(error).text.hasPrefix("evbctl: "))
            guard case .object(let members) = Failure(error).json else {
                Issue.record("no object")
                continue
            }
            #expect(members.map(\.key) == ["error", "message", "remedy"])
            #expect(members.allSatisfy { $0.value != .string("") }, "\(error)")
        }
    }

    @Test func theWordsOfFailures() {
        #expect(
            Failure(.noDaemon(socket: "/run/evbd/evbd.sock", cause: .absent)).text == """
                evbctl: evbd does not answer on /run/evbd/evbd.sock: there is no such socket
                  start evbd (systemctl start evbd), or name its socket with --socket or EVBCTL_SOCKET
                """)
        let refused = ControlError.Failure.refused(
            port: "eth0", vsiID: "x", reason: .insufficientResources, hard: false, kept: true)
        #expect(
            Failure(.refused(ControlError(refused))).text == """
                evbctl: the bridge on eth0 refused VSI x: insufficient-resources, it does not have the resources; it stays as it was
                  it may be asked again later
                """)
        #expect(
            Failure(.refused(ControlError(.noAnswer(port: "eth0", vsiID: "x", waitedMilliseconds: 1500)))).text == """
                evbctl: the bridge on eth0 did not answer for VSI x within 1.5 s
                  the request stands; see evbctl vsi show x and the counters of evbctl port show eth0
                """)
        let hostile = ControlError(.busy(limit: ""), message: "a\u{1B}[2Jb\nc", hint: "")
        #expect(Failure(.refused(hostile)).text == "evbctl: a\\u{1B}[2Jb\\nc")
    }
}
