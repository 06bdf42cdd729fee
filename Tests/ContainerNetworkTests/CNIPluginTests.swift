import EVBControl
import EVBModel
import JSON
import Testing

@testable import ContainerNetwork

/// evbd, and the plugin that makes links, as far as the tests need them.
private final class Host: VSIService {
    var names = ["uplink0"]
    var vsis: [String: VSIRequest] = [:]
    var refuses: CNIError?
    /// What was done, in its order.
    var done: [String] = []
    var linkFails: CNIError?
    var made: JSONValue?

    func ports() throws(CNIError) -> [PortStatus] {
        names.map {
            PortStatus(
                interface: $0, role: .station, linkUp: true, dialect: .ratified, peer: nil,
                reflectiveRelay: .init(requested: true, status: .granted),
                timers: .init(retries: 3, rte: 14, rwd: 20, rka: 20), vsis: .init())
        }
    }

    func associate(_ request: VSIRequest) throws(CNIError) {
        done.append("associate")
        vsis[request.vsiID] = request
        if let refuses { throw refuses }
    }

    func end(_ vsiID: String) throws(CNIError) {
        done.append("end")
        vsis[vsiID] = nil
    }

    func vsi(_ vsiID: String) throws(CNIError) -> VSIStatus? {
        vsis[vsiID].map {
            VSIStatus(
                vsiID: vsiID, vsiIDFormat: .uuid, port: $0.port, managerID: nil, typeID: $0.typeID, typeVersion: 0,
                state: refuses == nil ? .associated : .deassociated, reason: .success, filters: $0.filters, link: nil)
        }
    }

    func vsiIDs() throws(CNIError) -> [String] { Array(vsis.keys) }

    func run(_ plugin: String, _ configuration: JSONValue) throws(CNIError) -> JSONValue? {
        done.append(plugin)
        made = configuration
        if let linkFails { throw linkFails }
        return .object([.init("cniVersion", .string("1.0.0"))])
    }

    @discardableResult
    func call(
        _ command: String, _ configuration: String, container: String = "c1", interface: String = "eth0",
        arguments: String = ""
    ) throws(CNIError) -> JSONValue? {
        let invocation = try CNIInvocation([
            "CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_IFNAME": interface, "CNI_NETNS": "/run/netns/x",
            "CNI_PATH": "/usr/lib/cni", "CNI_ARGS": arguments,
        ])
        return try CNIPlugin(
            invocation, NetworkConfiguration(Array(configuration.utf8)), service: self,
            run: { plugin, value throws(CNIError) in try self.run(plugin, value) }
        ).perform()
    }
}

@Suite struct CNIPluginTests {
    private static let previous = """
        "prevResult":{"interfaces":[{"name":"eth0","mac":"02:00:00:00:00:01"},
        {"name":"eth0","mac":"02:AB:00:00:00:02","sandbox":"/run/netns/x"}]}
        """

    private static func network(_ more: String, name: String = "web") -> String {
        "{\"cniVersion\":\"1.0.0\",\"name\":\"\(name)\",\"type\":\"evb\",\"vsiType\":100\(more.isEmpty ? "" : "," + more)}"
    }

    private static func code(_ body: () throws(CNIError) -> Void) -> Int? {
        do { try body() } catch { return error.code }
        return nil
    }

    @Test("CNI-101 behind macvlan, the address in the container is associated, and what was made is handed on")
    func chained() throws {
        let host = Host()
        let result = try host.call("ADD", Self.network(Self.previous))
        let request = try #require(host.vsis.values.first)
        #expect(request.filters == [VSIFilter(mac: "02:ab:00:00:00:02", vlan: 0)] && request.typeID == 100)
        #expect(request.port == "uplink0" && host.vsis.count == 1 && host.done == ["associate"])
        #expect(result?["interfaces"] != nil)
        try host.call("CHECK", Self.network(Self.previous))
        try host.call("DEL", Self.network(Self.previous))
        try host.call("DEL", Self.network(Self.previous))
        #expect(host.vsis.isEmpty && host.done == ["associate", "end", "end"])
    }

    @Test("CNI-102 where the plugin makes the link, the switch is asked before there is one")
    func own() throws {
        let host = Host()
        try host.call("ADD", Self.network("\"ipam\":{}"))
        #expect(host.done == ["associate", "macvlan"])
        let address = try #require(host.vsis.values.first?.filters.first?.mac)
        #expect(host.made?["runtimeConfig"]?["mac"] == .string(address) && host.made?["mode"] == .string("vepa"))
        #expect(host.made?["master"] == .string("uplink0"))
        // The same container has the same address at each start.
        try host.call("DEL", Self.network("\"ipam\":{}," + Self.previous))
        #expect(host.done == ["associate", "macvlan", "macvlan", "end"] && host.vsis.isEmpty)
        try host.call("ADD", Self.network("\"ipam\":{}"))
        #expect(host.vsis.values.first?.filters.first?.mac == address)
    }

    @Test("CNI-103 what fails leaves nothing: a refusal of the switch, and a link that cannot be made")
    func failures() throws {
        let host = Host()
        host.refuses = CNIError(.refused, "the bridge refused")
        #expect(Self.code { () throws(CNIError) in try host.call("ADD", Self.network("\"ipam\":{}")) } == 100)
        #expect(host.vsis.isEmpty && host.done == ["associate", "end"])
        host.refuses = nil
        host.linkFails = CNIError(.inputOutput, "no master")
        #expect(Self.code { () throws(CNIError) in try host.call("ADD", Self.network("\"ipam\":{}")) } == 5)
        #expect(host.vsis.isEmpty)
        // The VSI is ended also where the link cannot be removed.
        host.linkFails = nil
        try host.call("ADD", Self.network("\"ipam\":{}"))
        host.linkFails = CNIError(.inputOutput, "busy")
        #expect(Self.code { () throws(CNIError) in try host.call("DEL", Self.network("\"ipam\":{}")) } == 5)
        #expect(host.vsis.isEmpty)
    }

    @Test("CNI-104 the container's own words come before the network's: type, version, manager, address")
    func ownType() throws {
        let host = Host()
        let annotations =
            "\"ipam\":{},\"runtimeConfig\":{\"mac\":\"02:00:00:00:0a:0A\",\"io.kubernetes.cri.pod-annotations\":{\"evb/type\":\"7\"}}"
        try host.call("ADD", Self.network(annotations))
        #expect(
            host.vsis.values.first?.typeID == 7 && host.vsis.values.first?.filters.first?.mac == "02:00:00:00:0a:0a")
        try host.call("ADD", Self.network(annotations), arguments: "IgnoreUnknown=1;EVB_TYPE=9;EVB_TYPE_VERSION=3")
        #expect(host.vsis.values.first?.typeID == 9 && host.vsis.values.first?.typeVersion == 3)
        #expect(
            Self.code { () throws(CNIError) in try host.call("ADD", Self.network(annotations), arguments: "EVB_TYPE=-1")
            } == 4)
    }

    @Test("CNI-105 GC ends the VSIs of the network whose containers are gone, and no others")
    func garbage() throws {
        let host = Host()
        for container in ["c1", "c2", "c3"] { try host.call("ADD", Self.network("\"ipam\":{}"), container: container) }
        try host.call("ADD", Self.network("\"ipam\":{}", name: "db"), container: "c9")
        host.vsis["1f9b1c53-8b5c-4eeb-8f00-d84eaa0aaa01"] = host.vsis.values.first
        let list = "\"cni.dev/valid-attachments\":[{\"containerID\":\"c2\",\"ifname\":\"eth0\"}]"
        try host.call("GC", Self.network(list))
        let kept = ["c2": "web", "c9": "db"].map {
            AttachmentID(network: $1, .init(container: $0, interface: "eth0")).text
        }
        #expect(Set(host.vsis.keys) == Set(kept + ["1f9b1c53-8b5c-4eeb-8f00-d84eaa0aaa01"]))
        #expect(Self.code { () throws(CNIError) in try host.call("GC", Self.network("")) } == 7)
    }

    @Test(
        "CNI-106 what cannot be served is refused with the specification's codes",
        arguments: [
            ("ADD", #"{"cniVersion":"9.0.0","name":"web"}"#, 1), ("ADD", "{", 6), ("ADD", "[]", 6),
            ("ADD", #"{"cniVersion":"1.0.0"}"#, 7), ("ADD", network(""), 7),
            ("ADD", network("\"ipam\":{}," + previous), 7), ("ADD", network("\"ipam\":{},\"port\":\"eth9\""), 7),
            ("ADD", network("\"ipam\":{},\"vlan\":4095"), 7), ("ADD", network("\"ipam\":{},\"wait\":\"x\""), 7),
            ("ADD", network(#""prevResult":{"interfaces":[{"name":"eth0","mac":"02:00:00:00:00:01"}]}"#), 7),
            ("CHECK", network("\"ipam\":{}"), 101), ("START", network(""), 4),
            ("STATUS", network("\"port\":\"eth9\""), 50),
            ("STATUS", network(""), 51),
        ])
    func refusals(_ command: String, _ configuration: String, _ code: Int) {
        let host = Host()
        #expect(Self.code { () throws(CNIError) in try host.call(command, configuration) } == code)
        #expect(host.vsis.isEmpty)
    }

    @Test("CNI-107 of two ports the network has to name its own", arguments: [nil, "uplink1"])
    func ports(_ port: String?) throws {
        let host = Host()
        host.names = ["uplink0", "uplink1"]
        let configuration = Self.network("\"ipam\":{}" + (port.map { ",\"port\":\"\($0)\"" } ?? ""))
        #expect(Self.code { () throws(CNIError) in try host.call("ADD", configuration) } == (port == nil ? 7 : nil))
        #expect(host.vsis.values.first?.port == port)
    }

    @Test("CNI-108 names that lead out of their place are refused")
    func names() {
        let host = Host()
        for (container, interface) in [
            ("../c", "eth0"), ("", "eth0"), ("c1", "a/b"), ("c1", "sixteen-letters-"), ("c1", ".."),
        ] {
            let code = Self.code { () throws(CNIError) in
                try host.call("ADD", Self.network("\"ipam\":{}"), container: container, interface: interface)
            }
            #expect(code == 4)
        }
    }

    @Test("CNI-109 a VSIID is a UUID of version 8, and each container's interface has its own")
    func ids() throws {
        var seen: Set<String> = []
        var addresses: Set<String> = []
        for number in 0..<2000 {
            let id = AttachmentID(network: "web", .init(container: "c\(number / 2)", interface: "eth\(number % 2)"))
            let digits = Array(id.text)
            #expect(digits[14] == "8" && "89ab".contains(digits[19]) && AttachmentID(id.text) == id)
            seen.insert(id.text)
            addresses.insert(id.address)
            #expect(["2", "6", "a", "e"].contains(Array(id.address)[1]))
        }
        #expect(seen.count == 2000 && addresses.count == 2000)
    }

    @Test("CNI-110 VERSION names the versions, and a result of an error is the specification's")
    func words() throws {
        #expect(
            CNIPlugin.versions("1.1.0")["supportedVersions"]
                == .array(NetworkConfiguration.versions.map { .string($0) }))
        let error = CNIError(.tryAgainLater, "later", details: "do")
        #expect(
            error.json(version: "1.0.0").compact == #"{"cniVersion":"1.0.0","code":11,"msg":"later","details":"do"}"#)
        #expect(CNIError(of: error.json(version: "1.0.0"), from: "macvlan")?.message == "macvlan: later")
    }
}
