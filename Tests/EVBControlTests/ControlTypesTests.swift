import ControlSamples
import EVBModel
import JSON
import Testing

@testable import EVBControl

@Suite struct ControlTypesTests {
    private func json(_ value: some Encodable) throws -> JSONValue {
        try JSONValue(parsing: JSONCoding.encode(value))
    }

    /// The keys of an object and of the objects in it, in order.
    private func keys(_ value: JSONValue?) -> String {
        switch value {
        case .object(let members)?:
            let parts = members.map { member in
                let inner = keys(member.value)
                return member.key + (inner.isEmpty ? "" : inner)
            }
            return "{" + parts.joined(separator: ",") + "}"
        case .array(let items)?: return items.isEmpty ? "" : "[" + keys(items.first) + "]"
        case .null?: return "=null"
        default: return ""
        }
    }

    // Sorted, as they are on the wire; the names are those of interface.md.
    private static let portKeys =
        "channel=null,dialect,drain=null,interface,linkState=null,linkUp,misbehaviour=null,peer{chassisID,evbMode,portID},reflectiveRelay{requested,status},role,"
        + "timers{retries,rka,rte,rwd},vsis{associated,deassociated,pending,preassociated}"

    @Test func keysAreThoseOfTheInterface() throws {
        #expect(
            keys(try json(Samples.status))
                == "{daemon{pid,uptimeSeconds,version},notes,ports[{\(Self.portKeys)}],problems,typeServers}")
        #expect(
            keys(try json(Samples.fullVSI))
                == "{filters[{group,mac,pcp,vlan}],label=null,link{kind,mode,name},managerID,networks,port,reason,"
                + "requestedLink=null,retryInMilliseconds=null,state,typeID,typeVersion,vsiID,vsiIDFormat,warnings}")
    }

    @Test("SEC-27 problems of a port come with what to do, and an evbd that knows none has none")
    func problems() throws {
        var details = Samples.details
        details.problems = [Samples.contest, Samples.conflict]
        let written = try json(details)
        #expect(
            keys(written).contains(
                ",problems[{address=null,ageSeconds=null,hint,kind,message,otherPort,otherVSIID=null,port=null,vsiID}],"
            ))
        #expect(try JSONCoding.decode(PortDetails.self, from: written) == details)
        #expect(
            keys(try json(details.problems[1]))
                == "{address,ageSeconds=null,hint,kind,message,otherPort,otherVSIID,port=null,vsiID}")
        guard case .object(var members) = written else {
            Issue.record("no object")
            return
        }
        members.removeAll { $0.key == "problems" }
        #expect(try JSONCoding.decode(PortDetails.self, from: .object(members)).problems.isEmpty)
    }

    @Test("HEAL-1001 warnings of a VSI come with what to do, and an evbd that knows none has none")
    func warnings() throws {
        var vsi = Samples.fullVSI
        vsi.warnings = [VSIWarning(kind: .unreachableAddresses, message: "for one only", hint: "give others")]
        let written = try json(vsi)
        #expect(keys(written).hasSuffix(",vsiIDFormat,warnings[{hint,kind,message}]}"))
        #expect(try JSONCoding.decode(VSIStatus.self, from: written) == vsi)
        guard case .object(var members) = written else {
            Issue.record("no object")
            return
        }
        members.removeAll { $0.key == "warnings" }
        #expect(try JSONCoding.decode(VSIStatus.self, from: .object(members)).warnings.isEmpty)
    }

    @Test("HEAL-1003 a problem of a port may be about no VSI")
    func problemOfThePort() throws {
        let problem = PortProblem(kind: .reflectsUnasked, message: "it reflects", hint: "end that")
        #expect(
            keys(try json(problem))
                == "{address=null,ageSeconds=null,hint,kind,message,otherPort=null,otherVSIID=null,port=null,"
                + "vsiID=null}")
    }

    @Test("HEAL-802 notes of a status come with what to do, and an evbd that knows none has none")
    func notes() throws {
        var status = Samples.status
        status.notes = [
            StatusNote(kind: .vsiWithoutLink, isProblem: false, port: "eth0", message: "so", hint: "do"),
            StatusNote(kind: .libvirtPort, isProblem: true, message: "so", hint: "do"),
        ]
        let written = try json(status)
        #expect(keys(written).contains(",notes[{hint,isProblem,kind,message,port}],"))
        #expect(try JSONCoding.decode(StatusReport.self, from: written) == status)
        guard case .object(var members) = written else {
            Issue.record("no object")
            return
        }
        members.removeAll { $0.key == "notes" }
        #expect(try JSONCoding.decode(StatusReport.self, from: .object(members)).notes.isEmpty)
    }

    @Test func misbehaviourIsToldInFull() throws {
        var port = Samples.barePort
        port.misbehaviour = Misbehaviour(refuse: .reserved, hard: true, delay: 5)
        let keys = keys(try json(port))
        #expect(
            keys.contains(
                ",misbehaviour{deassociateEvery=null,delay,dropAcks=null,dropAcksPercent=null,hard,keep,refuse,"
                    + "refuseCount=null,silent=null,vlan=null,vsiID=null},"))
        #expect(try JSONCoding.decode(PortStatus.self, from: json(port)) == port)
    }

    @Test(arguments: [
        ("{\"refuse\":\"because\"}", "refuse"), ("{\"hard\":true}", "hard"), ("{\"delay\":0}", "delay"),
        ("{\"silent\":\"all\",\"delay\":1}", "delay"), ("{\"dropAcksPercent\":101}", "dropAcksPercent"),
        ("{\"dropAcks\":1,\"dropAcksPercent\":1}", "dropAcksPercent"), ("{\"vlan\":4095}", "vlan"),
        ("{\"lie\":true}", "lie"), ("{\"vsiID\":\"x\"}", "vsiID"), ("{\"refuseCount\":1}", "refuseCount"),
    ]) func misbehaviourThatMakesNoSense(_ text: String, _ place: String) throws {
        let json = try JSONValue(parsing: Array(text.utf8))
        let error = #expect(throws: (any Error).self) { try JSONCoding.decode(Misbehaviour.self, from: json) }
        #expect(error.map { JSONCoding.place(of: $0) } == place)
    }

    @Test func aKeyWithoutAValueIsNull() throws {
        #expect(keys(try json(Samples.barePort)).contains(",peer=null,"))
        #expect(
            keys(try json(Samples.bareVSI))
                == "{filters[{group=null,mac,pcp=null,vlan=null}],label=null,link=null,managerID=null,networks,port,reason=null,requestedLink=null,retryInMilliseconds=null,state,"
                + "typeID,typeVersion,vsiID,vsiIDFormat,warnings}")
        let event = keys(try json(Samples.bareEvent))
        #expect(event == "{from=null,kind,message,port=null,reason=null,timeMilliseconds,to=null,vsiID=null}")
        let details = try json(Samples.bareDetails)
        #expect(details["lldpNeighbour"] == .null)
        #expect(details["evbTLV"] == .object([.init("local", .null), .init("remote", .null)]))
        #expect(details["peer"] == .null && details["interface"] == .string("enp130s0f1"))
        #expect(
            keys(try json(StatisticsReport(interface: nil, counters: [:], counterDiscontinuity: 0)))
                == "{counterDiscontinuity,counters{},interface=null}")
    }

    @Test func valuesAreTheWordsOfTheInterface() {
        #expect(
            VSIState.allCases.map(\.rawValue)
                == ["deassociated", "pending", "preassociated", "preassociated-rr", "associated"])
        #expect(
            VSIReason.allCases.map(\.rawValue) == [
                "success", "invalid-format", "insufficient-resources", "manager-unreachable", "other-failure",
                "invalid-vid-group-mac", "timeout", "bridge-deassociated", "bridge-lost",
                "bridge-overloaded", "drained",
            ])
        #expect(
            ReflectiveRelayStatus.Grant.allCases.map(\.rawValue) == ["granted", "refused", "unknown", "not-requested"])
    }

    private func goesThereAndBack<Value: Codable & Equatable>(_ value: Value) throws {
        #expect(try JSONCoding.decode(Value.self, from: json(value)) == value)
    }

    @Test func everythingGoesThereAndBack() throws {
        try goesThereAndBack(Samples.status)
        try goesThereAndBack(Samples.fullVSI)
        try goesThereAndBack(Samples.bareVSI)
        try goesThereAndBack(Samples.details)
        try goesThereAndBack(Samples.bareDetails)
        try goesThereAndBack(Samples.vsiDetails)
        try goesThereAndBack(Samples.bareVSIDetails)
        try goesThereAndBack(Samples.event)
        try goesThereAndBack(Samples.bareEvent)
        try goesThereAndBack(Samples.request)
        try goesThereAndBack(VSIRequest(vsiID: "x", port: "p", typeID: 1))
        try goesThereAndBack(DeassociateRequest(vsiID: "x", port: "p", waitMilliseconds: 5))
        try goesThereAndBack(ListVSIsRequest(port: "p", state: .preassociatedRR))
        try goesThereAndBack(ListVSIsRequest())
        try goesThereAndBack(GetStatisticsRequest(interface: "p"))
        try goesThereAndBack(
            StatisticsReport(interface: "p", counters: ["EcpTxFrameCount": 7], counterDiscontinuity: 1))
        try goesThereAndBack(NoParameters())
    }

    @Test func nullAndNothingAreTheSame() throws {
        let bare = try JSONValue(parsing: Array("{\"vsiID\":\"x\",\"port\":\"p\",\"typeID\":1}".utf8))
        #expect(try JSONCoding.decode(VSIRequest.self, from: bare) == VSIRequest(vsiID: "x", port: "p", typeID: 1))
        let nulls =
            "{\"vsiID\":\"x\",\"port\":\"p\",\"typeID\":1,\"typeVersion\":null,\"filters\":null,\"link\":null,"
            + "\"managerID\":null,\"wait\":null,\"migrating\":null}"
        let explicit = try JSONValue(parsing: Array(nulls.utf8))
        #expect(try JSONCoding.decode(VSIRequest.self, from: explicit) == VSIRequest(vsiID: "x", port: "p", typeID: 1))
    }

    @Test(arguments: [
        ("\"typeID\":16777216", "typeID"), ("\"typeID\":-1", "typeID"), ("\"typeID\":1.5", "typeID"),
        ("\"typeID\":1e99", "typeID"), ("\"typeID\":null", "typeID"), ("\"typeID\":\"1\"", "typeID"), ("", "typeID"),
        ("\"typeID\":1,\"typeVersion\":256", "typeVersion"),
        ("\"typeID\":1,\"filters\":[{\"vlan\":1},{\"vlan\":4095}]", "filters[1].vlan"),
        ("\"typeID\":1,\"filters\":[{\"pcp\":8}]", "filters[0].pcp"),
        ("\"typeID\":1,\"filters\":[{\"group\":4294967296}]", "filters[0].group"),
        ("\"typeID\":1,\"filters\":[{\"mac\":\"52:54:00:00:c7\"}]", "filters[0].mac"),
        ("\"typeID\":1,\"filters\":[{\"vid\":1}]", "filters[0].vid"), ("\"typeID\":1,\"filters\":{}", "filters"),
        ("\"typeID\":1,\"migrating\":true,\"suspended\":true", "suspended"), ("\"typeID\":1,\"wait\":3600001", "wait"),
        ("\"typeID\":1,\"link\":{\"name\":\"a\",\"mode\":\"veb\"}", "link.mode"), ("\"typeID\":1,\"wiat\":3", "wiat"),
        ("\"typeID\":1,\"link\":{\"name\":\"a\",\"mode\":\"source\"}", "link.mode"),
        ("\"typeID\":1,\"linkMTU\":67", "linkMTU"), ("\"typeID\":1,\"linkSources\":[\"x\"]", "linkSources"),
        ("\"typeID\":1,\"managerID\":\"\"", "managerID"), ("\"typeID\":1,\"managerID\":5", "managerID"),
    ]) func whatDoesNotFitIsNamed(_ rest: String, _ place: String) throws {
        let text = "{\"vsiID\":\"x\",\"port\":\"p\"" + (rest.isEmpty ? "" : ",") + rest + "}"
        let parameters = try JSONValue(parsing: Array(text.utf8))
        let error = #expect(throws: DecodingError.self) {
            try JSONCoding.decode(VSIRequest.self, from: parameters)
        }
        #expect(error.map { JSONCoding.place(of: $0) } == place)
    }

    @Test func filtersAreBounded() throws {
        let most = VSIRequest(
            vsiID: "x", port: "p", typeID: 1,
            filters: [VSIFilter](repeating: VSIFilter(vlan: 1), count: VSIRequest.maximumFilters))
        try goesThereAndBack(most)
        var tooMany = most
        tooMany.filters.append(VSIFilter(vlan: 1))
        #expect(throws: DecodingError.self) { try goesThereAndBack(tooMany) }
    }
}

@Suite struct ControlErrorTests {
    static let failures: [ControlError.Failure] = [
        .noSuchPort(port: "eth9"), .noSuchVSI(vsiID: "x", port: nil), .noSuchVSI(vsiID: "x", port: "eth0"),
        .invalidArgument(argument: "vsiID"),
        .refused(port: "eth0", vsiID: "x", reason: .insufficientResources, hard: true, kept: false),
        .noAnswer(port: "eth0", vsiID: "x", waitedMilliseconds: 1500), .noBridge(port: "eth0", vsiID: nil),
        .noBridge(port: "eth0", vsiID: "x"), .linkFailed(port: "eth0", vsiID: "x", link: "vm1", cause: "EEXIST"),
        .busy(limit: "VSIs"), .readOnly(method: "Associate"),
        .notPermitted(method: "SetLogLevel"), .notShown(method: "Capture"), .typesNotFetched,
    ]

    @Test(arguments: failures) func errorsGoThereAndBack(_ failure: ControlError.Failure) {
        let error = ControlError(failure)
        #expect(ControlError(name: error.name, parameters: error.parameters) == error)
        #expect(!error.message.isEmpty && !error.hint.isEmpty)
        let own = ControlError(failure, message: "m", hint: "h")
        #expect(ControlError(name: own.name, parameters: own.parameters) == own)
        #expect(own.description == "m; h")
    }

    @Test func parametersAreThoseOfTheDescription() throws {
        for failure in Self.failures {
            let error = ControlError(failure)
            let name = error.name.dropFirst("io.evbd.".count)
            let text = ControlInterface.description
            let start = try #require(text.firstRange(of: "error \(name) ("))
            let end = try #require(text[start.upperBound...].firstIndex(of: ")"))
            let declared = text[start.upperBound..<end].split(separator: ",").map { part in
                String(part.prefix { $0 != ":" }.filter { !$0.isWhitespace })
            }
            guard case .object(let members) = error.parameters else {
                Issue.record("no object")
                continue
            }
            #expect(members.map(\.key) == declared, "\(name)")
        }
    }

    @Test func whatIsNoErrorOfOurs() {
        #expect(ControlError(name: "org.varlink.service.MethodNotFound", parameters: .object([])) == nil)
        #expect(ControlError(name: "io.evbd.Refused", parameters: .object([])) == nil)
        #expect(ControlError(name: "io.evbd.Unheard", parameters: .object([])) == nil)
    }
}

@Suite struct ControlInterfaceTests {
    private func names(_ keyword: String, in description: String) -> [String] {
        description.split(separator: "\n").filter { $0.hasPrefix(keyword + " ") }.map { line in
            String(line.dropFirst(keyword.count + 1).prefix { $0 != "(" && $0 != " " })
        }
    }

    @Test func everyMethodAndErrorIsDescribed() {
        #expect(names("method", in: ControlInterface.description) == ControlMethod.allCases.map(\.rawValue))
        #expect(names("error", in: ControlInterface.description) == ControlError.shortNames)
        #expect(names("interface", in: ControlInterface.description) == ["io.evbd"])
        #expect(names("method", in: VarlinkService.description) == ["GetInfo", "GetInterfaceDescription"])
        #expect(
            names("error", in: VarlinkService.description)
                == ["InterfaceNotFound", "MethodNotFound", "MethodNotImplemented", "InvalidParameter", "ExpectedMore"])
    }

    @Test func everyTypeIsDefinedOnce() {
        let types = names("type", in: ControlInterface.description)
        #expect(Set(types).count == types.count)
        for type in ["Port", "PortDetails", "VSI", "Filter", "Link", "Event", "Statistics"] {
            #expect(types.contains(type))
        }
    }

    @Test("OPS-109 no structure without a name is inside another, for systemd's varlinkctl refuses those")
    func structuresHaveNames() {
        for line in (ControlInterface.description + VarlinkService.description).split(separator: "\n")
        where line.first != "#" && line.first != " " {
            var depth = 0
            for character in line {
                depth += character == "(" ? 1 : character == ")" ? -1 : 0
                #expect(character != ":" || depth < 2, "\(line)")
            }
        }
        // Members that have a line each.
        for line in ControlInterface.description.split(separator: "\n") where line.hasPrefix("  ") {
            #expect(line.filter { $0 == ":" }.count == 1, "\(line)")
        }
    }

    @Test func noLineIsTooLongOrEndsInSpaces() {
        for line in (ControlInterface.description + VarlinkService.description).split(separator: "\n") {
            #expect(line.count <= 120 && line.last != " ", "\(line)")
        }
    }
}
