import EVBControl
import EVBModel

/// Replies as a daemon might give them, in full and as bare as can be.
package enum Samples {
    package static let fullPort = PortStatus(
        interface: "eth0", role: .station, linkUp: true, dialect: .ratified,
        peer: PeerStatus(chassisID: "00:1b:21:aa:bb:cc", portID: "ge-0/0/1", evbMode: "bridge"),
        reflectiveRelay: ReflectiveRelayStatus(requested: true, status: .granted),
        timers: TimerStatus(retries: 3, rte: 14, rwd: 20, rka: 20),
        vsis: VSICounts(associated: 2, preassociated: 1, pending: 0, deassociated: 0))

    package static let barePort = PortStatus(
        interface: "enp130s0f1", role: .station, linkUp: false, dialect: .auto, peer: nil,
        reflectiveRelay: ReflectiveRelayStatus(requested: true, status: .unknown),
        timers: TimerStatus(retries: 3, rte: 14, rwd: 20, rka: 20),
        vsis: VSICounts(associated: 0, preassociated: 0, pending: 3, deassociated: 1))

    package static let status = StatusReport(
        daemon: DaemonStatus(version: "0.1.0", pid: 4711, uptimeSeconds: 90_061), ports: [fullPort, barePort])

    package static let fullVSI = VSIStatus(
        vsiID: "5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51", vsiIDFormat: .uuid, port: "eth0", managerID: "5", typeID: 4660,
        typeVersion: 1, state: .associated, reason: .success,
        filters: [VSIFilter(mac: "52:54:00:00:c7:3e", vlan: 100, pcp: 5, group: 7), VSIFilter(vlan: 0)],
        link: VSILink(name: "vm1", kind: .macvtap, mode: .vepa))

    package static let bareVSI = VSIStatus(
        vsiID: "ipv4:192.0.2.1", vsiIDFormat: .ipv4, port: "eth0", managerID: nil, typeID: 0, typeVersion: 0,
        state: .pending, reason: nil, filters: [VSIFilter(mac: "52:54:00:00:c7:3e")], link: nil)

    package static let localTLV = EVBTLVStatus(
        evbMode: "station", bgid: true, rrcap: true, rrctr: true, sgid: true, rrreq: true, rrstat: .on, retries: 3,
        rte: 14, rwd: 20, rwdOrigin: .local, rka: 20, rkaOrigin: .remote)

    package static let details = PortDetails(
        port: fullPort, evbTLV: EVBTLVPair(local: localTLV, remote: nil),
        lldpNeighbour: NeighbourStatus(
            chassisID: "00:1b:21:aa:bb:cc", portID: "ge-0/0/1", ttlSeconds: 121, ageSeconds: 7,
            systemName: "leaf\u{1B}1", chassisIDSubtype: 4, portIDSubtype: 5, tlvs: ["020704001b21aabbcc"]),
        sys: SysObjects(
            type: .evbStation, numExternalPorts: 2, evbLldpTxEnable: true, evbLldpManual: false,
            evbLldpGidCapable: true, ecpDfltAckTimerExp: 14, ecpMaxRetries: 3, vdpDfltRsrcWaitDelayExp: 20,
            vdpDfltReinitKeepAliveExp: 20),
        urp: URPObjects(
            ifIndex: 7, bindToISSPort: 1, lldpManual: false, vdpOperRsrcWaitDelayExp: 20,
            vdpOperRespWaitDelay: 17_448_960, vdpOperReinitKeepAliveExp: 20),
        ecp: ECPObjects(
            operAckTimerInitExp: 14, operMaxRetries: 3, txFrameCount: 10, txRetryCount: 1, txFailures: 0,
            rxFrameCount: 9),
        xdot1: Xdot1Objects(
            evbConfigEvbTxEnable: true, locEvbTlvString: "fe090080c20d070d6e9434", remEvbTlvString: nil),
        counterDiscontinuity: 9_006_100,
        unknownAddresses: UnknownAddresses(count: 40, addresses: (10..<50).map { "52:54:00:00:00:\($0)" }))

    package static let vsidb = VSIDBObjects(
        timeSinceCreate: 31_250, vdpOperCmd: .associate, operRevert: true, operHard: false, operReason: .otherfailure,
        operReasonCode: 5, mgrID16: "05000000000000000000000000000000", filterFormat: .groupidMacVid, numMACs: 2,
        vdpMachineState: .associate, vdpCommandsSucceeded: 3, vdpCommandsFailed: 2, vdpCommandReverts: 1,
        vdpCounterDiscontinuity: 31_250)

    package static let vsiDetails = VSIDetails(vsi: fullVSI, vsidb: vsidb)

    package static let bareVSIDetails = VSIDetails(
        vsi: bareVSI,
        vsidb: VSIDBObjects(
            timeSinceCreate: 0, vdpOperCmd: .deAssociate, mgrID16: "00000000000000000000000000000000",
            filterFormat: .macVid, numMACs: 1, vdpMachineState: .deAssociate, vdpCounterDiscontinuity: 0))

    package static let bareDetails = PortDetails(
        port: barePort, evbTLV: EVBTLVPair(local: nil, remote: nil), lldpNeighbour: nil, sys: details.sys, urp: nil,
        sbp: SBPObjects(
            lldpManual: false, vdpOperRsrcWaitDelayExp: 20, vdpOperReinitKeepAliveExp: 20,
            vdpOperToutKeepAlive: 17_448_960),
        ecp: ECPObjects(operAckTimerInitExp: nil, operMaxRetries: 3),
        xdot1: Xdot1Objects(evbConfigEvbTxEnable: false, locEvbTlvString: nil, remEvbTlvString: nil),
        counterDiscontinuity: 0)

    package static let contest = PortProblem(
        kind: .vsiContest, vsiID: fullVSI.vsiID, otherPort: "port1",
        message: "VSI 1 is associated on port1, and the station here keeps asking for it", hint: "end one")

    package static let conflict = PortProblem(
        kind: .addressConflict, vsiID: fullVSI.vsiID, otherPort: "port1", otherVSIID: bareVSI.vsiID,
        address: "52:54:00:00:c7:3e", message: "VSI 1 asks for an address of VSI 2", hint: "give it another")

    private static let histogram = HistogramReport(
        bounds: [100, 2500, 1_000_000, 60_000_000], counts: [1, 0, 2, 0, 1], sumMicroseconds: 61_500_042)

    package static let daemonMetrics = DaemonMetrics(
        version: "0.1.0 \"x\"", counters: ["LogLinesLost": 0, "LogLinesLeftOut": 7],
        problems: [ProblemCount(kind: "libvirt-port", count: 1), ProblemCount(kind: "of-tomorrow", count: 2)],
        process: ProcessReport(
            residentOctets: 41_943_040, virtualOctets: 1_073_741_824, openDescriptors: 23, descriptorsMax: 524_288,
            computedMicroseconds: 1_250_000, startedMilliseconds: 1_795_237_612_120),
        turns: histogram, longestTurnMicroseconds: 60_000_001, mostComputedMicroseconds: 1500)

    package static let portMetrics = PortMetrics(
        port: fullPort, counters: ["EcpTxFrameCount": 10, "EcpTxRetryCount": 1, "InterfaceTaken": 0, "OfTomorrow": 1],
        problems: [ProblemCount(kind: "second-lldp-speaker", count: 1)], associationTimes: histogram,
        ecpRoundTrips: HistogramReport(bounds: [], counts: [0], sumMicroseconds: 0))

    package static let traffic = VSITraffic(
        sent: TrafficCounts(frames: 10, octets: 1500, drops: 0),
        received: TrafficCounts(frames: 7, octets: 700, drops: nil))

    package static let vsiMetrics = VSIMetrics(
        port: "eth0", role: .station, vsiID: "5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51", traffic: traffic)

    package static let event = ControlEvent(
        timeMilliseconds: 1_795_237_612_123, kind: .vsi, port: "eth0", vsiID: fullVSI.vsiID, from: "pending",
        to: "associated", reason: "success", message: "pending -> associated")

    package static let bareEvent = ControlEvent(timeMilliseconds: 0, kind: .notice, message: "hello")

    package static let request = VSIRequest(
        vsiID: fullVSI.vsiID, port: "eth0", managerID: "5", typeID: 4660, typeVersion: 1, filters: fullVSI.filters,
        migrating: true, link: VSILink(name: "vm1", kind: .macvlan), reserve: true, waitMilliseconds: 30_000)
}
