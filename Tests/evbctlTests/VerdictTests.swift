import ControlSamples
import EVBModel
import Testing

@testable import evbctl

@Suite struct VerdictTests {
    private func port(_ counts: VSICounts) -> PortStatus {
        var port = Samples.fullPort
        port.vsis = counts
        return port
    }

    @Test("OPS-223 all well, waiting, lost: the state follows VSIs where there is no problem")
    func counts() {
        func state(_ counts: VSICounts) -> Verdict.State {
            Verdict(ports: [port(counts)], problems: [], neighbours: [nil]).state
        }
        #expect(state(VSICounts(associated: 2)) == .ok && state(VSICounts()) == .ok)
        #expect(state(VSICounts(associated: 2, pending: 1)) == .warning)
        #expect(state(VSICounts(associated: 2, deassociated: 1)) == .critical)
        #expect(Verdict(ports: [], problems: [], neighbours: []).state == .warning)
    }

    @Test("OPS-223 a port that is drained is no alarm, and is named")
    func drained() {
        var drained = port(VSICounts(pending: 1, deassociated: 2))
        drained.drain = PortDrain(sinceMilliseconds: 0, untilMilliseconds: 1, by: "root")
        let verdict = Verdict(ports: [drained], problems: [], neighbours: [nil])
        #expect(verdict.state == .ok && verdict.message == "1 port, 0 of 3 VSIs associated; eth0 is drained")
    }

    @Test("OPS-223 the first critical problem stands in the line, and no bar or line end of a stranger's")
    func line() {
        let problems = [
            PortProblem(kind: .relayRefused, port: "eth0", message: "refused", hint: "allow"),
            PortProblem(kind: .noEVBTLV, port: "eth0", message: "no | TLV\nfrom \u{1B}x", hint: "enable"),
        ]
        let verdict = Verdict(
            ports: [port(VSICounts(associated: 1))], problems: problems, neighbours: [Samples.details.lldpNeighbour])
        #expect(verdict.state == .critical && verdict.state.status == 2)
        #expect(
            verdict.line == "EVB CRITICAL - no / TLV\\nfrom \\u{1B}x: enable; and 1 more, see evbctl status; "
                + "1 of 1 VSI associated | 'associated'=1;;;0 'vsis'=1;;;0 'lldp-age'=7s;80;121;0")
    }

    @Test("OPS-223 of several ports each has its measures, and quotes are doubled")
    func several() {
        var other = Samples.barePort
        other.interface = "it's"
        let verdict = Verdict(ports: [port(VSICounts()), other], problems: [], neighbours: [nil, nil])
        #expect(verdict.line.contains("'eth0 vsis'=0;;;0") && verdict.line.contains("'it''s vsis'=4;;;0"))
    }
}
