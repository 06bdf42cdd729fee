import ControlSamples
import EVBControl
import EVBModel
import JSON
import Testing

@testable import EVBControl
@testable import evbctl

/// The objects of IEEE8021-EVB-MIB that ieee8021BridgeEvbsComplianceV2 makes mandatory, and those of its LLDP extension, one by
/// one, against what evbctl shows of them: the key in JSON, and the name on the terminal.
@Suite struct ManagedObjectsTests {
    /// An object, its place in JSON, and what stands for it on the terminal where that is not the object's own name.
    private struct Object {
        let name: String
        let place: [String]
        let text: String

        init(_ name: String, _ place: String, shownAs text: String? = nil) {
            self.name = name
            self.place = place.split(separator: ".").map(String.init)
            self.text = text ?? name
        }
    }

    // ieee8021BridgeEvbSysV2Group, -URPV2Group and -EcpV2Group, and lldpXdot1EvbGroup but for CDCP.
    private static let portObjects = [
        Object("SysType", "sys.type"), Object("SysNumExternalPorts", "sys.numExternalPorts"),
        Object("SysEvbLldpTxEnable", "sys.evbLldpTxEnable"),
        Object("SysEvbLldpGidCapable", "sys.evbLldpGidCapable"), Object("SysEvbLldpManual", "sys.evbLldpManual"),
        Object("SysEcpDfltAckTimerExp", "sys.ecpDfltAckTimerExp"), Object("SysEcpMaxRetries", "sys.ecpMaxRetries"),
        Object("SysVdpDfltRsrcWaitDelayExp", "sys.vdpDfltRsrcWaitDelayExp"),
        Object("SysVdpDfltReinitKeepAliveExp", "sys.vdpDfltReinitKeepAliveExp"),
        Object("URPIfIndex", "urp.ifIndex"), Object("URPBindToISSPort", "urp.bindToISSPort"),
        Object("URPLldpManual", "urp.lldpManual"),
        Object("URPVdpOperRsrcWaitDelayExp", "urp.vdpOperRsrcWaitDelayExp"),
        Object("URPVdpOperRespWaitDelay", "urp.vdpOperRespWaitDelay"),
        Object("URPVdpOperReinitKeepAliveExp", "urp.vdpOperReinitKeepAliveExp"),
        Object("EcpOperAckTimerInitExp", "ecp.operAckTimerInitExp"),
        Object("EcpOperMaxRetries", "ecp.operMaxRetries"), Object("EcpTxFrameCount", "ecp.txFrameCount"),
        Object("EcpTxRetryCount", "ecp.txRetryCount"), Object("EcpTxFailures", "ecp.txFailures"),
        Object("EcpRxFrameCount", "ecp.rxFrameCount"),
    ]
    private static let xdot1Objects = [
        Object("lldpXdot1EvbConfigEvbTxEnable", "xdot1.evbConfigEvbTxEnable"),
        Object("lldpV2Xdot1LocEvbTlvString", "xdot1.locEvbTlvString"),
        Object("lldpV2Xdot1RemEvbTlvString", "xdot1.remEvbTlvString"),
    ]
    // ieee8021BridgeEvbVSIDBV2Group, the indices of its two tables, and the wire's own reason.
    private static let vsiObjects = [
        Object("VSIIDType", "vsiIDFormat", shownAs: "Format"), Object("VSIID", "vsiID", shownAs: "VSI"),
        Object("VSITimeSinceCreate", "vsidb.timeSinceCreate"), Object("VsiVdpOperCmd", "vsidb.vdpOperCmd"),
        Object("VsiOperRevert", "vsidb.operRevert"), Object("VsiOperHard", "vsidb.operHard"),
        Object("VsiOperReason", "vsidb.operReason"), Object("VSIMgrID16", "vsidb.mgrID16"),
        Object("VSIType", "typeID", shownAs: "Type"), Object("VSITypeVersion", "typeVersion", shownAs: "Type"),
        Object("VSIFilterFormat", "vsidb.filterFormat"), Object("VSINumMACs", "vsidb.numMACs"),
        Object("VDPMachineState", "vsidb.vdpMachineState"),
        Object("VDPCommandsSucceeded", "vsidb.vdpCommandsSucceeded"),
        Object("VDPCommandsFailed", "vsidb.vdpCommandsFailed"),
        Object("VDPCommandReverts", "vsidb.vdpCommandReverts"),
        Object("VDPCounterDiscontinuity", "vsidb.vdpCounterDiscontinuity"),
    ]

    private func json(_ value: some Encodable) throws -> JSONValue { try JSONValue(parsing: JSONCoding.encode(value)) }

    private func value(_ object: Object, in json: JSONValue) -> JSONValue? {
        object.place.reduce(json) { $0?[$1] }
    }

    /// The name at the start of each line.
    private func names(_ text: String) -> Set<String> {
        Set(text.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) })
    }

    private func expect(_ objects: [Object], in json: JSONValue, and text: String) {
        let names = names(text)
        for object in objects {
            #expect(![nil, .null].contains(value(object, in: json)), "\(object.name) in \(json.compact)")
            #expect(names.contains(object.text), "\(object.name) in\n\(text)")
        }
    }

    private let presenter = Presenter(colour: false)

    @Test("MGT-01 port show has every object of the groups Sys, URP and Ecp")
    func port() throws {
        expect(Self.portObjects, in: try json(Samples.details), and: presenter.port(Samples.details))
        #expect(presenter.port(Samples.details).contains("\nURPVdpOperRespWaitDelay        17448960 us\n"))
    }

    @Test("MGT-01 vsi show has every object of the group VSIDB")
    func vsi() throws {
        let json = try json(Samples.vsiDetails)
        expect(Self.vsiObjects, in: json, and: presenter.vsi(Samples.vsiDetails))
        // The table VSIDBMac: GroupID, VSIMac and VSIVlanId.
        guard case .array(let entries)? = json["filters"] else { throw JSONShape() }
        #expect(entries.first?["group"] == .number("7"))
        #expect(entries.first?["mac"] == .string("52:54:00:00:c7:3e"))
        #expect(entries.first?["vlan"] == .number("100"))
        #expect(presenter.vsi(Samples.vsiDetails).contains("VsiOperReason            otherfailure (5 on the wire)\n"))
    }

    private struct JSONShape: Error {}

    @Test("MGT-01 values are the MIB's words")
    func words() {
        #expect(SysObjects.Kind.allCases.map(\.rawValue) == ["evbBridge", "evbStation"])
        #expect(
            VSIDBObjects.Command.allCases.map(\.rawValue)
                == ["preAssociate", "preAssociateWithRsrcReservation", "associate", "deAssociate"])
        #expect(
            VSIDBObjects.Reason.allCases.map(\.rawValue)
                == ["success", "invalidFormat", "insufficientResources", "otherfailure"])
        #expect(
            VSIDBObjects.FilterFormat.allCases.map(\.rawValue) == ["vid", "macVid", "groupidVid", "groupidMacVid"])
    }

    @Test("MGT-02 port show has the raw TLVs of both sides, and whether EVB is sent")
    func rawTLVs() throws {
        var details = Samples.details
        details.xdot1.remEvbTlvString = "fe090080c20d01026e5414"
        expect(Self.xdot1Objects, in: try json(details), and: presenter.port(details))
        #expect(presenter.port(details).contains("lldpV2Xdot1RemEvbTlvString     fe090080c20d01026e5414"))
    }

    @Test("MGT-03 counters have more than 32 bits all the way")
    func width() throws {
        let report = StatisticsReport(
            interface: "eth0", counters: ["EcpTxFrameCount": Int.max], counterDiscontinuity: Int.max)
        #expect(try JSONCoding.decode(StatisticsReport.self, from: json(report)) == report)
        #expect(presenter.statistics([report]).contains("eth0  EcpTxFrameCount  \(Int.max)\n"))
    }

    @Test("MGT-03 everything that counts tells since when")
    func discontinuity() throws {
        #expect(try json(Samples.details)["counterDiscontinuity"] == .number("9006100"))
        #expect(presenter.port(Samples.details).contains("9 received, in 1 d 1 h\n"))
        let report = StatisticsReport(interface: "eth0", counters: ["EcpTxFrameCount": 1], counterDiscontinuity: 31_250)
        #expect(try json(report)["counterDiscontinuity"] == .number("31250"))
        #expect(presenter.statistics([report]).hasSuffix("\n\neth0 has been counting for 5 min 12 s"))
    }

    @Test("what there is none of is null, and a dash for people")
    func nothing() throws {
        let port = try json(Samples.bareDetails)
        #expect(port["urp"] == .null && port["xdot1"]?["locEvbTlvString"] == .null)
        #expect(port["ecp"]?["operAckTimerInitExp"] == .null)
        #expect(presenter.port(Samples.bareDetails).contains("\nEcpOperAckTimerInitExp         -\n"))
        let vsi = try json(Samples.bareVSIDetails)
        #expect(vsi["vsidb"]?["operReason"] == .null && vsi["vsidb"]?["operReasonCode"] == .null)
        #expect(presenter.vsi(Samples.bareVSIDetails).contains("\nVsiOperReason            -\n"))
    }
}
