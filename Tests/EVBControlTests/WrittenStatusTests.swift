import ControlSamples
import EVBModel
import JSON
import Testing

/// A value as it writes itself, and as the coders write it.
private func isSame<Value: JSONWritable & Encodable>(_ value: Value) -> Bool {
    JSONWriter.octets(of: value) == JSONCoding.encode(value)
}

@Suite struct WrittenStatusTests {
    @Test("SPD-163 a VSI's status writes itself as the coders would write it")
    func vsis() {
        #expect(isSame(Samples.fullVSI) && isSame(Samples.bareVSI))
        // Each member has a value in one of them, and none in another.
        for pick in 0..<256 {
            func has(_ bit: Int) -> Bool { pick >> bit & 1 == 1 }
            var vsi = Samples.fullVSI
            vsi.managerID = has(0) ? "a \"b\"\u{E9}\n" : nil
            vsi.reason = has(1) ? VSIReason.allCases[pick % VSIReason.allCases.count] : nil
            vsi.state = VSIState.allCases[pick % VSIState.allCases.count]
            vsi.link = has(2) ? VSILink(name: "v", kind: has(0) ? .macvlan : nil, mode: has(1) ? .private : nil) : nil
            vsi.warnings = has(3) ? [VSIWarning(kind: .hearsItself, message: "m\\", hint: "h")] : []
            vsi.label = has(4) ? "web 1" : nil
            vsi.requestedLink = has(5) ? VSILink(name: "w") : nil
            vsi.retryInMilliseconds = has(6) ? -pick : nil
            vsi.networks = has(7) ? [VSINetwork(vlan: 7, vni: 1 << 23), VSINetwork(vlan: 8, vni: 1)] : []
            vsi.filters = has(0) ? [] : vsi.filters
            #expect(isSame(vsi), "\(String(decoding: JSONWriter.octets(of: vsi), as: UTF8.self))")
        }
    }

    @Test("SPD-163 a status writes itself as the coders would write it")
    func status() {
        #expect(isSame(Samples.status))
        var port = Samples.fullPort
        port.linkState = .missing
        port.misbehaviour = Misbehaviour(refuse: .managerUnreachable, hard: true, dropAcks: 3)
        port.drain = PortDrain(sinceMilliseconds: 1, untilMilliseconds: 2, by: "x")
        port.channel = SChannelStatus(uplink: "eth0", scid: 3, svid: 4)
        var status = Samples.status
        status.ports = [port]
        status.notes = [StatusNote(kind: .reload, isProblem: true, port: nil, message: "m", hint: "h")]
        status.problems = [PortProblem(kind: .bondMember, message: "m", hint: "h")]
        #expect(isSame(status))
    }
}
