import ControlSamples
import EVBModel
import JSON
import Testing

@testable import EVBControl

@Suite("Requests that are read in one pass, and VSIs that are written so")
struct PlainRequestTests {
    private static let sound = #"{"vsiID":"x","port":"p0","typeID":1"#

    /// Members that a request may have beside what it has to have, and whether it is read in one pass with them.
    private static let members: [(text: String, isPlain: Bool)] = [
        ("", true), (#""typeVersion":255"#, true), (#""typeVersion":256"#, false), (#""typeVersion":1e2"#, false),
        (#""wait":3600000"#, true), (#""wait":3600001"#, false), (#""wait":-1"#, false), (#""wait":"1""#, false),
        (#""managerID":"5""#, true), (#""managerID":null"#, true), (#""managerID":"""#, false),
        (#""managerID":5"#, false),
        (#""filters":[]"#, true), (#""filters":[{}]"#, true), (#""filters":[{"vlan":4094}]"#, true),
        (#""filters":[{"vlan":4095}]"#, false), (#""filters":[{"mac":"52:54:00:00:c7:3e","vlan":0,"pcp":null}]"#, true),
        (#""filters":[{"mac":"52:54:00:00:C7:3E"}]"#, false), (#""filters":[{"mac":"52:54:00:00:c7:3"}]"#, false),
        (#""filters":[{"mac":"52-54-00-00-c7-3e"}]"#, false), (#""filters":[{"mac":null,"group":null}]"#, true),
        (#""filters":[{"vlan":1,"group":7}]"#, false), (#""filters":[{"vlan":1,"colour":7}]"#, false),
        (#""filters":{}"#, false), (#""filters":null"#, false), (#""link":null"#, true),
        (#""link":{"name":"vm1"}"#, true), (#""link":{"kind":null,"name":"vf:3","mode":null}"#, true),
        (#""link":{"name":"vm1","kind":"macvlan","mode":"source"}"#, true),
        (#""link":{"name":"vm1","mode":"source"}"#, false),
        (#""link":{"name":"vm1","kind":"macvtap","mode":"passthru"}"#, true), (#""link":{}"#, false),
        (#""link":{"name":"vm1","kind":"bond"}"#, false), (#""link":{"name":"vm1","kind":1}"#, false),
        (#""link":{"name":"vm/1"}"#, false), (#""link":{"name":"vm1","colour":7}"#, false), (#""link":"vm1""#, false),
        (#""link":{"name":null}"#, false), (#""linkMTU":1400"#, false),
        (#""label":"web""#, true), (#""label":"""#, true), (#""label":null"#, true), (#""label":" web""#, false),
        (#""label":"\u0007""#, false), (#""label":5"#, false), (#""migrating":false,"suspended":false"#, true),
        (#""migrating":true"#, false), (#""stranger":1"#, false),
        (#""reserve":true"#, false),
    ]

    private func request(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    /// What is read in one pass of a call with these parameters.
    private func call(_ parameters: String, _ method: String = "Associate", beside: String = "") -> PlainCall? {
        PlainCall(message: Array(#"{"method":"io.evbd.\#(method)","parameters":\#(parameters)\#(beside)}"#.utf8))
    }

    @Test("SPD-170 a plain request is read in one pass as it is read otherwise, and no other is read so")
    func plain() throws {
        for (text, isPlain) in Self.members {
            let parameters = Self.sound + (text.isEmpty ? "" : ",") + text + "}"
            let read = call(parameters)
            #expect((read != nil) == isPlain, "\(text)")
            let checked = try? JSONCoding.decode(VSIRequest.self, from: request(parameters))
            if let read { #expect(read == checked.map { .associate($0) }, "\(text)") }
        }
    }

    @Test("SPD-170 a request without identity, port or type, or with unsound ones, is not read in one pass")
    func unsound() throws {
        for text in [
            "[]", "{}", #"{"port":"p0","typeID":1}"#, #"{"vsiID":"x","typeID":1}"#, #"{"vsiID":"x","port":"p0"}"#,
            #"{"vsiID":"","port":"p0","typeID":1}"#, #"{"vsiID":"x","port":"p/0","typeID":1}"#,
            #"{"vsiID":"x","port":"p0","typeID":16777216}"#, #"{"vsiID":"x","port":"p0","typeID":null}"#,
        ] {
            let json = try request(text)
            #expect(call(text) == nil, "\(text)")
            #expect(throws: (any Error).self) { try JSONCoding.decode(VSIRequest.self, from: json) }
        }
    }

    @Test("SPD-170 what is given twice, or beside method and parameters, is not read in one pass")
    func others() {
        let plain = Self.sound + "}"
        #expect(call(plain) != nil && call(plain, "PreAssociate") == nil && call(plain, "Retry") == nil)
        for beside in [#","more":true"#, #","oneway":true"#, #","method":"x""#, #","parameters":{}"#, #"}{"#] {
            #expect(call(plain, beside: beside) == nil, "\(beside)")
        }
        for member in [
            #""vsiID":"x""#, #""port":"p0""#, #""typeID":1"#, #""wait":1,"wait":1"#,
            #""managerID":null,"managerID":null"#, #""filters":[],"filters":[]"#, #""link":null,"link":null"#,
            #""migrating":false,"migrating":false"#,
            #""link":{"name":"vm1","name":"vm1"}"#, #""link":{"name":"vm1","kind":null,"kind":null}"#,
            #""label":null,"label":null"#,
            #""filters":[{"vlan":1,"vlan":1}]"#, #""filters":[{"pcp":null,"pcp":null}]"#,
        ] {
            #expect(call("\(Self.sound),\(member)}") == nil, "\(member)")
        }
    }

    @Test("SPD-170 a plain call of Deassociate is read in one pass as it is read otherwise, and no other is read so")
    func deassociation() throws {
        for (text, isPlain) in [
            (#"{"vsiID":"x"}"#, true), (#"{"vsiID":"x","port":"p0","wait":0}"#, true), (#"{"port":"p0"}"#, false),
            (#"{"vsiID":"x","port":null}"#, true), (#"{"vsiID":"x","typeID":1}"#, false),
            (#"{"vsiID":"x","wait":-1}"#, false), (#"{"vsiID":"x","link":null}"#, false),
        ] {
            let read = call(text, "Deassociate")
            #expect((read != nil) == isPlain, "\(text)")
            let checked = try? JSONCoding.decode(DeassociateRequest.self, from: request(text))
            if let read { #expect(read == checked.map { .deassociate($0) }, "\(text)") }
        }
    }

    @Test("SPD-170 a plain call of GetStatus is read in one pass, and none with parameters is")
    func status() {
        #expect(call("{}", "GetStatus") == .getStatus)
        #expect(PlainCall(message: Array(#"{"method":"io.evbd.GetStatus"}"#.utf8)) == .getStatus)
        for parameters in [#"{"x":1}"#, #"{"vsiID":"x"}"#, #"{"port":null}"#, "[]", "null", "{"] {
            #expect(call(parameters, "GetStatus") == nil, "\(parameters)")
        }
        #expect(call("{}", "GetStatus", beside: #","more":true"#) == nil)
        #expect(call("{}", "GetVersion") == nil && call("{}", "Associate") == nil)
    }

    @Test("SPD-170 a VSI is written in one pass as it is written otherwise")
    func written() {
        var whole = Samples.fullVSI
        whole.warnings = [VSIWarning(kind: .hearsItself, message: "\"m\"", hint: "h\n")]
        whole.label = "web \u{1F310}"
        whole.requestedLink = VSILink(name: "vm2")
        whole.retryInMilliseconds = 1500
        whole.networks = [VSINetwork(vlan: 100, vni: 5100), VSINetwork(vlan: 1, vni: 1)]
        for vsi in [Samples.fullVSI, Samples.bareVSI, whole] {
            var writer = JSONWriter()
            vsi.write(to: &writer)
            #expect(
                String(decoding: writer.octets, as: UTF8.self)
                    == String(decoding: JSONCoding.encode(vsi), as: UTF8.self))
        }
    }
}
