import ControlSamples
import EVBModel
import JSON
import Testing

@testable import EVBControl

@Suite struct VSISelectorTests {
    private static let uuid = "5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51"

    /// What a text may be: the digits of a UUID, a VSIID of another format, a MAC address, a link, a label.
    private func readings(_ text: String) -> [String?] {
        let selector = VSISelector(text)
        return [selector.uuidDigits, selector.formattedID, selector.mac, selector.link, selector.label]
    }

    @Test("OPS-401 a text is read as all that it may name")
    func texts() {
        #expect(readings("vm1") == [nil, nil, nil, "vm1", "vm1"])
        #expect(readings("5AB5") == ["5ab5", nil, nil, "5AB5", "5AB5"])
        #expect(readings("5ab") == [nil, nil, nil, "5ab", "5ab"], "too few digits")
        #expect(readings("5ab5c6a6-9f") == ["5ab5c6a69f", nil, nil, "5ab5c6a6-9f", "5ab5c6a6-9f"])
        #expect(readings("5ab5-c6a6") == [nil, nil, nil, "5ab5-c6a6", "5ab5-c6a6"], "the dash is elsewhere in a UUID")
        #expect(
            readings("52:54:00:00:C7:3E") == [nil, nil, "52:54:00:00:c7:3e", "52:54:00:00:C7:3E", "52:54:00:00:C7:3E"])
        #expect(readings("link=5ab5c6") == [nil, nil, nil, "5ab5c6", nil])
        #expect(readings("label=a=b") == [nil, nil, nil, nil, "a=b"])
        #expect(readings("id=5ab5c6") == ["5ab5c6", nil, nil, nil, nil])
        #expect(readings("mac=52:54:00:00:c7:3e") == [nil, nil, "52:54:00:00:c7:3e", nil, nil])
        for text in ["", "id=", "id=vm1", "mac=1", "link=", "label=", String(repeating: "a", count: 301)] {
            #expect(VSISelector(text).problem != nil, "\(text)")
        }
    }

    @Test("OPS-401 a VSIID in full is asked for as it is, and nothing else")
    func whole() {
        for text in [
            Self.uuid, "uuid:" + Self.uuid, Self.uuid.filter { $0 != "-" }, "ipv4:192.0.2.1", "ipv6:2001:db8::1",
            "mac:52:54:00:00:c7:3e", "local:" + String(repeating: "0", count: 32),
        ] {
            #expect(VSISelector(text).wholeID == text)
            #expect(VSISelector("id=" + text).wholeID == text)
        }
        #expect(VSISelector("5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a5").wholeID == nil)
        #expect(VSISelector("52:54:00:00:c7:3e").wholeID == nil)
    }

    /// What evbd says to ListVSIs, and what comes of it.
    private func select(_ text: String, among vsis: [VSIStatus]) throws -> Result<SelectedVSI, ControlClientError> {
        let puppet = try Puppet()
        let list = String(decoding: JSONCoding.encode(["vsis": vsis]), as: UTF8.self)
        let client = try puppet.client(hearing: "{\"parameters\":\(list)}\0")
        return Result { () throws(ControlClientError) in try client.select(text, timeoutMilliseconds: 5000) }
    }

    private func vsi(_ last: Int, link: String? = nil, label: String? = nil, port: String = "eth0") -> VSIStatus {
        VSIStatus(
            vsiID: String(Self.uuid.dropLast()) + "\(last)", vsiIDFormat: .uuid, port: port, managerID: nil, typeID: 1,
            typeVersion: 0, state: .associated, reason: nil, filters: [VSIFilter(mac: "52:54:00:00:c7:3e")],
            link: link.map { VSILink(name: $0) }, label: label)
    }

    @Test("OPS-401 one VSI is taken, none and several are refused, and those that are meant are listed")
    func selection() throws {
        let found = try select("vm1", among: [vsi(1, link: "vm1")]).get()
        #expect(found.vsiID == vsi(1).vsiID && found.port == "eth0")
        guard case .failure(.refused(let none)) = try select("vm1", among: []) else {
            Issue.record("none is found")
            return
        }
        #expect(none.failure == .noSuchVSI(vsiID: "vm1", port: nil))
        #expect(none.message == "no VSI has the link, MAC address or label \"vm1\"")
        let both = [vsi(1, link: "vm1"), vsi(2, label: "vm1")]
        guard case .failure(.refused(let several)) = try select("vm1", among: both) else {
            Issue.record("one of two is taken")
            return
        }
        #expect(several.failure == .invalidArgument(argument: "vsiID"))
        #expect(
            several.message
                == "\"vm1\" means 2 VSIs: \(vsi(1).vsiID) on eth0 (link vm1); \(vsi(2).vsiID) on eth0 (label vm1)")
        let places = [vsi(1, link: "vm1"), vsi(1, link: "vm1", port: "eth1")]
        guard case .failure(.refused(let twice)) = try select("vm1", among: places) else {
            Issue.record("one of two ports is taken")
            return
        }
        #expect(twice.failure == .invalidArgument(argument: "port") && twice.hint == "say which by --port")
        guard case .failure(.refused(let many)) = try select("5ab5", among: (10..<40).map { vsi($0) }) else {
            Issue.record("one of many is taken")
            return
        }
        #expect(many.message.hasSuffix("; and 20 more"))
    }

    @Test("OPS-401 a name in full goes before the first digits of a UUID")
    func names() throws {
        let both = [vsi(1), vsi(2, label: "5ab5c6")]
        #expect(try select("5ab5c6", among: both).get().vsiID == vsi(2).vsiID)
        guard case .failure = try select("id=5ab5c6", among: both) else {
            Issue.record("one of two is taken")
            return
        }
    }

    @Test("OPS-402 labels are bounded, and have what a terminal shows")
    func labels() {
        for label in ["web", "Web server 2 (prod)", "\u{65e5}\u{672c}", String(repeating: "x", count: 64)] {
            #expect(VSILabel.problem(with: label) == nil, "\(label)")
        }
        for label in [
            "", " web", "web ", "a\nb", "a\u{1B}[2J", "a\u{202E}b", "a\u{200B}", String(repeating: "x", count: 65),
        ] {
            #expect(VSILabel.problem(with: label) != nil, "\(label)")
        }
        var request = Samples.request
        request.label = "a\u{7}"
        let sent = try? JSONValue(parsing: JSONCoding.encode(request))
        #expect(throws: ControlError.self) { try JSONCoding.decode(VSIRequest.self, from: sent ?? .null) }
        request.label = ""
        let removal = try? JSONValue(parsing: JSONCoding.encode(request))
        #expect((try? JSONCoding.decode(VSIRequest.self, from: removal ?? .null))?.label == "")
    }
}
