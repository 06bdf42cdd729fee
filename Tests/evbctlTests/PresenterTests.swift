import ControlSamples
import EVBControl
import EVBModel
import Testing

@testable import evbctl

@Suite struct PresenterTests {
    private let presenter = Presenter(colour: false)

    @Test func status() {
        #expect(
            presenter.status(Samples.status) == """
                evbd 0.1.0, process 4711, up 1 d 1 h

                PORT        ROLE     LINK  DIALECT   PEER                                 REFLECTIVE RELAY  ASSOC  PREASSOC  PENDING  DEASSOC
                eth0        station  up    ratified  00:1b:21:aa:bb:cc ge-0/0/1 (bridge)  granted           2      1         0        0
                enp130s0f1  station  down  auto      none                                 unknown           0      0         3        1
                """)
        #expect(presenter.ports([]) == "no ports; set them in evbd.yaml")
    }

    @Test("HEAL-802 what is wrong stands below the ports, with what to do, and is safe on a terminal")
    func notes() {
        var report = Samples.status
        report.notes = [
            StatusNote(kind: .libvirtPort, isProblem: true, message: "libvirtd\u{1B} is mute", hint: "restart it"),
            StatusNote(kind: .vsiWithoutLink, isProblem: false, port: "eth0", message: "no link", hint: "look"),
        ]
        let text = presenter.status(report)
        #expect(text.hasSuffix("\n\nPROBLEM: libvirtd\\u{1B} is mute: restart it\n\nNOTE: eth0: no link: look"))
    }

    @Test func whoMisbehavesIsShownLoudly() {
        var report = Samples.status
        report.ports[1].misbehaviour = Misbehaviour(
            refuse: .otherFailure, hard: true, keep: true, refuseCount: 2, vsiID: "ipv4:192.0.2.1", delay: 5,
            dropAcks: 1, vlan: 7, deassociateEvery: 60)
        let text = """
            enp130s0f1 MISBEHAVES ON PURPOSE: it refuses the next 2 answers for ipv4:192.0.2.1 as other-failure \
            (hard, kept), answers 5 ms late, drops the next 1 acknowledgements, grants VLAN 7 whatever is asked for, takes \
            all VSIs back every 60 s
            """
        #expect(presenter.status(report).hasSuffix("\n\n\(text)"))
        #expect(Presenter(colour: true).status(report).hasSuffix("\u{1B}[31m\(text)\u{1B}[0m"))
        #expect(presenter.misbehaviour(report.ports[1]) == text)
        #expect(presenter.misbehaviour(report.ports[0]) == "eth0 behaves")
    }

    @Test("SEC-27 problems of a port are shown before all else, loudly")
    func problems() {
        var details = Samples.details
        details.problems = [Samples.contest, Samples.conflict]
        let shown = presenter.port(details).components(separatedBy: "\n\n")
        #expect(
            shown.prefix(2) == [
                "PROBLEM: VSI 1 is associated on port1, and the station here keeps asking for it: end one",
                "PROBLEM: VSI 1 asks for an address of VSI 2: give it another",
            ])
        #expect(Presenter(colour: true).port(details).hasPrefix("\u{1B}[31mPROBLEM: "))
    }

    @Test("HEAL-1001 warnings of a VSI are shown before all else, and behind the outcome of a request")
    func warnings() {
        var vsi = Samples.fullVSI
        #expect(!presenter.outcome(vsi).contains("\n"))
        vsi.warnings = [VSIWarning(kind: .hearsItself, message: "it hears itself", hint: "use vepa")]
        #expect(presenter.outcome(vsi).hasSuffix("\nWARNING: it hears itself: use vepa"))
        let shown = presenter.vsi(VSIDetails(vsi: vsi, vsidb: Samples.vsidb))
        #expect(shown.hasPrefix("WARNING: it hears itself: use vepa\n\nVSI "))
    }

    @Test func port() {
        #expect(
            presenter.port(Samples.details) == """
                Port                 eth0
                Role                 station
                Link                 up
                Dialect              ratified
                EVB peer             00:1b:21:aa:bb:cc ge-0/0/1 (bridge)
                Reflective relay     granted
                Retries (R)          3
                ECP ack timer (RTE)  14 (163.84 ms)
                Resource wait (RWD)  20 (10.49 s)
                Keep-alive (RKA)     20 (10.49 s)
                VSIs                 2 associated, 1 pre-associated, 0 pending, 0 de-associated
                LLDP neighbour       00:1b:21:aa:bb:cc ge-0/0/1, heard 7 s ago, lives 121 s
                  System             leaf\\u{1B}1
                ECP                  10 sent, 1 sent again, 0 given up, 9 received, in 1 d 1 h
                Without VSI          \((10..<42).map { "52:54:00:00:00:\($0)" }.joined(separator: ", ")) and 8 more: not filtered by a VSI, associate them

                EVB TLV   LOCAL        REMOTE
                EVB mode  station      -
                BGID      1            -
                RRCAP     1            -
                RRCTR     1            -
                SGID      1            -
                RRREQ     1            -
                RRSTAT    on           -
                R         3            -
                RTE       14           -
                RWD       20 (local)   -
                RKA       20 (remote)  -

                MIB OBJECT                     VALUE
                SysType                        evbStation
                SysNumExternalPorts            2
                SysEvbLldpTxEnable             true
                SysEvbLldpManual               false
                SysEvbLldpGidCapable           true
                SysEcpDfltAckTimerExp          14
                SysEcpMaxRetries               3
                SysVdpDfltRsrcWaitDelayExp     20
                SysVdpDfltReinitKeepAliveExp   20
                URPIfIndex                     7
                URPBindToISSPort               1
                URPLldpManual                  false
                URPVdpOperRsrcWaitDelayExp     20
                URPVdpOperRespWaitDelay        17448960 us
                URPVdpOperReinitKeepAliveExp   20
                EcpOperAckTimerInitExp         14
                EcpOperMaxRetries              3
                EcpTxFrameCount                10
                EcpTxRetryCount                1
                EcpTxFailures                  0
                EcpRxFrameCount                9
                lldpXdot1EvbConfigEvbTxEnable  true
                lldpV2Xdot1LocEvbTlvString     fe090080c20d070d6e9434
                lldpV2Xdot1RemEvbTlvString     -
                """)
        #expect(presenter.port(Samples.bareDetails).contains("\nLLDP neighbour       none\n"))
    }

    @Test func vsis() {
        #expect(
            presenter.vsis([VSIRow(vsi: Samples.fullVSI), VSIRow(vsi: Samples.bareVSI)]) == """
                VSI                                   PORT  TYPE     STATE       REASON   FILTER                                                   LINK
                5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51  eth0  4660 v1  associated  success  mac=52:54:00:00:c7:3e,vlan=100,pcp=5,group=7 and 1 more  vm1
                ipv4:192.0.2.1                        eth0  0 v0     pending              mac=52:54:00:00:c7:3e
                """)
        #expect(presenter.vsis([]) == "no VSIs")
    }

    @Test func vsi() {
        #expect(
            presenter.vsi(Samples.vsiDetails) == """
                VSI      5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51
                Label    -
                Format   uuid
                Port     eth0
                State    associated
                Reason   success
                Manager  5
                Type     4660 (0x1234), version 1
                Filter   mac=52:54:00:00:c7:3e,vlan=100,pcp=5,group=7
                         VLAN: the port's own, untagged
                Link     vm1 macvtap vepa

                MIB OBJECT               VALUE
                VSITimeSinceCreate       5 min 12 s
                VsiVdpOperCmd            associate
                VsiOperRevert            true
                VsiOperHard              false
                VsiOperReason            otherfailure (5 on the wire)
                VSIMgrID16               05000000000000000000000000000000
                VSIFilterFormat          groupidMacVid
                VSINumMACs               2
                VDPMachineState          associate
                VDPCommandsSucceeded     3
                VDPCommandsFailed        2
                VDPCommandReverts        1
                VDPCounterDiscontinuity  5 min 12 s
                """)
        #expect(presenter.vsi(Samples.bareVSIDetails).contains("Filter   mac=52:54:00:00:c7:3e\nLink     -\n\nMIB"))
    }

    @Test func outcomes() {
        #expect(
            presenter.outcome(Samples.fullVSI) == "VSI 5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51 on eth0 is associated")
        #expect(presenter.outcome(Samples.bareVSI) == "VSI ipv4:192.0.2.1 on eth0 is pending")
    }

    @Test func eventsAndCounters() {
        #expect(
            presenter.event(Samples.event)
                == "2026-11-21T05:06:52.123Z vsi eth0 5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51 pending -> associated")
        #expect(presenter.event(Samples.bareEvent) == "1970-01-01T00:00:00.000Z notice hello")
        let reports = [
            StatisticsReport(
                interface: "eth0", counters: ["EcpTxFrameCount": 10, "EcpRxFrameCount": 9],
                counterDiscontinuity: 9_006_100),
            StatisticsReport(interface: nil, counters: ["controlClients": 1], counterDiscontinuity: 50),
        ]
        #expect(
            presenter.statistics(reports) == """
                PORT  COUNTER          VALUE
                eth0  EcpRxFrameCount  9
                eth0  EcpTxFrameCount  10
                evbd  controlClients   1

                eth0 has been counting for 1 d 1 h
                evbd has been counting for 0 s
                """)
    }

    @Test func colourDoesNotMoveColumns() {
        let colourful = Presenter(colour: true).status(Samples.status)
        #expect(colourful.contains("\u{1B}[32mup\u{1B}[0m    ratified"))
        var plain = ""
        var isCode = false
        for character in colourful {
            if character == "\u{1B}" { isCode = true }
            if !isCode { plain.append(character) }
            if character == "m" { isCode = false }
        }
        #expect(plain == presenter.status(Samples.status))
    }

    @Test func noLineEndsInSpaces() {
        let texts = [
            presenter.status(Samples.status),
            presenter.vsis([VSIRow(vsi: Samples.bareVSI), VSIRow(vsi: Samples.fullVSI)]),
            presenter.port(Samples.bareDetails),
            presenter.vsi(Samples.bareVSIDetails),
        ]
        for line in texts.flatMap({ $0.split(separator: "\n") }) { #expect(line.last != " ", "\(line)") }
    }

    @Test func units() {
        #expect(
            [0, 6, 7, 14, 16, 17, 20, 31, 32, -1].map { Units.timer(exponent: $0) } == [
                "10 us", "640 us", "1.28 ms", "163.84 ms", "655.36 ms", "1.31 s", "10.49 s", "21474.84 s", "?", "?",
            ])
        #expect(
            [0, 59, 60, 3600, 90_061].map { Units.uptime(seconds: $0) } == [
                "0 s", "59 s", "1 min 0 s", "1 h 0 min", "1 d 1 h",
            ])
        #expect(Units.time(milliseconds: 951_782_400_000) == "2000-02-29T00:00:00.000Z")
        #expect(Units.time(milliseconds: 4_107_542_399_999) == "2100-02-28T23:59:59.999Z")
        #expect(Units.time(milliseconds: 4_107_542_400_000) == "2100-03-01T00:00:00.000Z")
        #expect(Units.time(milliseconds: .min) == "\(Int.min) ms")
    }

    @Test("OPS-314 a long line is broken between words where the terminal is narrower, and nothing of it is cut")
    func longLines() {
        let text = "PROBLEM: eth0: the MTU of eth0 is 68, and frames of ECP may have 576: ip link set eth0 mtu 1500"
        #expect(Presenter.lines(text, width: nil) == [text] && Presenter.lines(text, width: text.count) == [text])
        for width in [1, 9, 20, 40, 79, text.count - 1] {
            let lines = Presenter.lines(text, width: width)
            #expect(lines.joined(separator: " ").split(separator: " ") == text.split(separator: " "))
            #expect(lines.dropFirst().allSatisfy { $0.hasPrefix("  ") && !$0.hasPrefix("   ") })
            let longest = text.split(separator: " ").map(\.count).max() ?? 0
            #expect(lines.allSatisfy { $0.count <= max(width, longest + 2) })
        }
        let problem = PortProblem(
            kind: .mtuTooSmall, port: "eth0", message: "the MTU of eth0 is 68", hint: "ip link set eth0 mtu 1500")
        let status = StatusReport(
            daemon: DaemonStatus(version: "1", pid: 1, uptimeSeconds: 1), ports: [], notes: [], problems: [problem])
        #expect(Presenter(colour: false, width: 40).status(status).contains("eth0 is 68: ip\n  link set eth0 mtu 1500"))
        #expect(
            Presenter(colour: false).status(status).contains(
                "PROBLEM: eth0: the MTU of eth0 is 68: ip link set eth0 mtu 1500"))
    }

    @Test("OPS-315 where the switch has given no VLAN, vsi show says what that means")
    func noVLAN() {
        var vsi = Samples.fullVSI
        vsi.filters = [VSIFilter(mac: "52:54:00:00:00:01", vlan: 0), VSIFilter(mac: "52:54:00:00:00:02", vlan: 7)]
        func shown(_ state: VSIState) -> String {
            vsi.state = state
            return Presenter(colour: false).vsi(VSIDetails(vsi: vsi, vsidb: Samples.vsidb))
        }
        #expect(shown(.associated).contains("mac=52:54:00:00:00:01, VLAN: the port's own, untagged\n"))
        #expect(shown(.associated).contains("mac=52:54:00:00:00:02,vlan=7\n"))
        #expect(shown(.pending).contains("mac=52:54:00:00:00:01, VLAN: as the switch gives it\n"))
    }
}
