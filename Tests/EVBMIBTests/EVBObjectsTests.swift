import AgentX
import ControlSamples
import EVBModel
import Testing

@testable import EVBMIB

/// The numbers below are those of the MIBs' text, written out: IEEE8021-EVB-MIB of 2012 to 2022, LLDP-EXT-DOT1-EVB-EXTENSIONS-MIB of
/// 2018, LLDP-V2-MIB.
@Suite struct EVBObjectsTests {
    private static let evb: [UInt32] = [1, 3, 111, 2, 802, 1, 1, 24, 1]
    private static let lldp: [UInt32] = [1, 3, 111, 2, 802, 1, 1, 13, 1]

    private static func walk(_ tree: ObjectTree) -> [VarBind] {
        var met: [VarBind] = []
        while let binding = tree.first(in: SearchRange(met.last?.name ?? [])), met.count < 1000 { met.append(binding) }
        return met
    }

    private static func objects(_ ports: [PortDetails], _ vsis: [VSIDetails]) -> [VarBind] {
        var objects = EVBObjects()
        for (index, port) in ports.enumerated() { objects.add(port, number: index + 1) }
        for vsi in vsis { objects.add(vsi) }
        return walk(objects.tree)
    }

    private static func expect(_ met: [VarBind], _ prefix: [UInt32], _ expected: [([UInt32], SNMPValue)]) {
        let found = met.filter { $0.name.parts.starts(with: prefix) }
        #expect(found == expected.map { VarBind(ObjectID(prefix + $0.0), $0.1) })
    }

    @Test("SCH-180 UAP and CAP of a station's and of a bridge's S-channels, object by object")
    func channels() {
        func ports(_ role: PortRole) -> [PortDetails] {
            var (uplink, channel) = (Samples.details, Samples.details)
            (uplink.ifIndex, channel.ifIndex) = (7, 9)
            (uplink.port.role, channel.port.role) = (role, role)
            channel.port.interface = "\(uplink.port.interface).c5"
            channel.port.channel = SChannelStatus(uplink: uplink.port.interface, scid: 5, svid: 100)
            uplink.uplink = UplinkStatus(
                cdcp: true, state: .running, role: role, adminCapacity: 8, operCapacity: 4,
                svidPoolLow: role == .bridge ? 100 : nil, svidPoolHigh: role == .bridge ? 131 : nil,
                remote: CDCPTLVStatus(
                    role: role == .station ? .bridge : .station, sComponent: true, capacity: 4, pairs: []))
            return [uplink, channel]
        }
        func uap(_ role: Int32, _ pool: [([UInt32], SNMPValue)]) -> [([UInt32], SNMPValue)] {
            // ComponentId, Port, IfIndex, CdcpAdminEnable, AdminCDCPRole, AdminCDCPChanCap, OperCDCPChanCap
            [
                ([1, 1], .gauge32(2)), ([2, 1], .gauge32(1)), ([3, 1], .integer(7)), ([4, 1], .integer(1)),
                ([5, 1], .integer(role)), ([6, 1], .integer(8)), ([7, 1], .integer(4)),
            ] + pool
                // OperState, RemoteEnabled, RemoteRole, StorageType, RowStatus
                + [
                    ([10, 1], .integer(1)), ([11, 1], .integer(1)), ([12, 1], .integer(3 - role)),
                    ([13, 1], .integer(3)), ([14, 1], .integer(1)),
                ]
        }
        // A station knows a channel by its SCID, a bridge by its SVID.
        // ComponentId, IfIndex, Port, SChannelID, AssociateSBPOrURPCompID and Port, RowStatus
        func cap(_ id: UInt32) -> [([UInt32], SNMPValue)] {
            [
                ([2, 1, id], .gauge32(2)), ([3, 1, id], .integer(9)), ([4, 1, id], .gauge32(2)),
                ([5, 1, id], .gauge32(5)), ([6, 1, id], .gauge32(1)), ([7, 1, id], .gauge32(2)),
                ([8, 1, id], .integer(1)),
            ]
        }
        let station = Self.objects(ports(.station), [])
        Self.expect(station, Self.evb + [3, 1, 1], uap(2, []))
        Self.expect(station, Self.evb + [3, 2, 1], cap(5))
        let bridge = Self.objects(ports(.bridge), [])
        Self.expect(bridge, Self.evb + [3, 1, 1], uap(1, [([8, 1], .gauge32(100)), ([9, 1], .gauge32(131))]))
        Self.expect(bridge, Self.evb + [3, 2, 1], cap(100))
    }

    @Test("OPS-708 Sys, URP, SBP and Ecp of a station's and a bridge's port, object by object")
    func ports() {
        var station = Samples.details
        station.ifIndex = 7
        let met = Self.objects([station, Samples.bareDetails], [])
        // SysType, SysNumExternalPorts, EvbLldpTxEnable, Manual, GidCapable, EcpMaxRetries, and the three exponents.
        let system: [([UInt32], SNMPValue)] = [
            ([1, 0], .integer(2)), ([2, 0], .gauge32(2)), ([3, 0], .integer(1)), ([4, 0], .integer(2)),
            ([5, 0], .integer(1)), ([7, 0], .integer(3)), ([11, 0], .integer(14)), ([12, 0], .integer(20)),
            ([13, 0], .integer(20)),
        ]
        Self.expect(met.filter { $0.name.parts.count == 12 }, Self.evb + [1], system)
        // SbpLldpManual, ToutKeepAlive, RsrcWaitDelayExp, ReinitKeepAliveExp of component 1, port 2.
        Self.expect(
            met, Self.evb + [1, 10, 1],
            [
                ([3, 1, 2], .integer(2)), ([6, 1, 2], .gauge32(17_448_960)), ([7, 1, 2], .gauge32(20)),
                ([8, 1, 2], .gauge32(20)),
            ])
        // URPIfIndex, BindToISSPort, LldpManual, RespWaitDelay, RsrcWaitDelayExp, ReinitKeepAliveExp.
        Self.expect(
            met, Self.evb + [3, 3, 1],
            [
                ([3, 1, 1], .integer(7)), ([4, 1, 1], .gauge32(1)), ([6, 1, 1], .integer(2)),
                ([10, 1, 1], .gauge32(17_448_960)), ([12, 1, 1], .gauge32(20)), ([13, 1, 1], .gauge32(20)),
            ])
        // EcpOperMaxRetries, TxFrameCount, TxRetryCount, TxFailures, RxFrameCount, OperAckTimerInitExp, which the draft has not.
        Self.expect(
            met, Self.evb + [3, 4, 1],
            [
                ([4, 1, 1], .gauge32(3)), ([4, 1, 2], .gauge32(3)), ([5, 1, 1], .counter32(10)),
                ([5, 1, 2], .counter32(0)), ([6, 1, 1], .counter32(1)), ([6, 1, 2], .counter32(0)),
                ([7, 1, 1], .counter32(0)), ([7, 1, 2], .counter32(0)), ([8, 1, 1], .counter32(9)),
                ([8, 1, 2], .counter32(0)), ([9, 1, 1], .gauge32(14)),
            ])
    }

    @Test("OPS-708 LLDP's objects by the index of the interface; a port without one has none")
    func lldpExtension() {
        var station = Samples.details
        station.ifIndex = 7
        station.xdot1.remEvbTlvString = "fe090080c20d070d6e9435"
        let met = Self.objects([station, Samples.bareDetails], [])
        Self.expect(met, Self.lldp + [1, 9, 1, 2], [([1], .octets([0x01, 0x80, 0xC2, 0, 0, 0]))])
        let tlv: [UInt8] = [0xFE, 0x09, 0x00, 0x80, 0xC2, 0x0D, 0x07, 0x0D, 0x6E, 0x94]
        Self.expect(
            met, Self.lldp + [5, 32962, 7, 1, 1, 1],
            [
                ([1, 1, 1, 1, 7, 1], .integer(1)), ([2, 1, 1, 1, 7], .octets(tlv + [0x34])),
                ([3, 1, 1, 1, 0, 7, 1, 1], .octets(tlv + [0x35])),
            ])
        #expect(Self.objects([Samples.bareDetails], []).allSatisfy { !$0.name.parts.starts(with: Self.lldp) })
    }

    @Test("OPS-709 VSIDB and VSIDBMac: index of component, port, format and sixteen octets; values in the MIB's types")
    func vsis() {
        let met = Self.objects([Samples.details], [Samples.vsiDetails, Samples.bareVSIDetails])
        let uuid: [UInt32] = [
            0x5A, 0xB5, 0xC6, 0xA6, 0x9F, 0x4B, 0x4D, 0x27, 0xA1, 0xBB, 0x3B, 0x8D, 0x9D, 0x7B, 0x6A, 0x51,
        ]
        let full: [UInt32] = [1, 1, 5] + uuid
        let bare: [UInt32] = [1, 1, 1] + [UInt32](repeating: 0, count: 10) + [255, 255, 192, 0, 2, 1]
        let manager: [UInt8] = [5] + [UInt8](repeating: 0, count: 15)
        let columns: [(UInt32, SNMPValue, SNMPValue)] = [
            (5, .gauge32(0), .gauge32(31_250)), (6, .integer(4), .integer(3)), (7, .integer(2), .integer(1)),
            (8, .integer(2), .integer(2)), (9, .octets([0]), .octets([0x10])), (11, .integer(0), .integer(4660)),
            (12, .octets([0]), .octets([1])), (14, .integer(1), .integer(2)), (15, .integer(4), .integer(3)),
            (16, .counter32(0), .counter32(3)), (17, .counter32(0), .counter32(2)), (18, .counter32(0), .counter32(1)),
            (19, .timeTicks(0), .timeTicks(31_250)), (20, .octets([UInt8](repeating: 0, count: 16)), .octets(manager)),
            (21, .integer(2), .integer(4)),
        ]
        Self.expect(met, Self.evb + [2, 1, 1], columns.flatMap { [([$0.0] + bare, $0.1), ([$0.0] + full, $0.2)] })
        let mac: [UInt32] = [0x52, 0x54, 0, 0, 0xC7, 0x3E]
        Self.expect(
            met, Self.evb + [2, 2, 1],
            [
                ([3] + bare + [0] + mac + [0], .gauge32(0)),
                ([3] + full + [0, 0, 0, 0, 0, 0, 0, 0], .gauge32(0)), ([3] + full + [7] + mac + [100], .gauge32(100)),
            ])
    }

    @Test("OPS-709 what does not fit the MIB's types is bent or left out, and never a trap")
    func extremes() {
        var vsi = Samples.vsiDetails
        vsi.vsi.typeID = .max
        vsi.vsi.typeVersion = -1
        vsi.vsi.filters = [
            VSIFilter(vlan: -5), VSIFilter(mac: "nonsense", group: .max), VSIFilter(vlan: 1, pcp: 1),
            VSIFilter(vlan: 1, pcp: 2),
        ]
        vsi.vsidb.timeSinceCreate = .max
        vsi.vsidb.vdpCommandsFailed = 0x1_0000_0007
        vsi.vsidb.vdpCommandReverts = -1
        vsi.vsidb.vdpCounterDiscontinuity = .min
        vsi.vsidb.mgrID16 = "5"
        var (elsewhere, unreadable) = (Samples.vsiDetails, Samples.vsiDetails)
        elsewhere.vsi.port = "eth9"
        unreadable.vsi.vsiID = "uuid:5"
        var port = Samples.details
        port.ifIndex = -1
        port.xdot1.locEvbTlvString = "xy"
        let met = Self.objects([port], [vsi, elsewhere, unreadable])
        let row = met.filter { $0.name.parts.starts(with: Self.evb + [2, 1, 1]) }
        #expect(
            row.map(\.value) == [
                .gauge32(.max), .integer(3), .integer(1), .integer(2), .octets([0x10]), .integer(.max), .octets([0]),
                .integer(2), .integer(3), .counter32(3), .counter32(7), .counter32(0), .timeTicks(0), .integer(4),
            ])
        // Two entries that differ in their priority are one row.
        #expect(met.count { $0.name.parts.starts(with: Self.evb + [2, 2, 1]) } == 3)
        #expect(met.allSatisfy { $0.name.parts.count <= ObjectID.longest })
    }
}
