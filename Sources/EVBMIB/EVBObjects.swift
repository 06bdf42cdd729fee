// What evbd tells by varlink, as the objects of IEEE8021-EVB-MIB and of LLDP-EXT-DOT1-EVB-EXTENSIONS-MIB. Objects that these MIBs
// call deprecated are left out. Documentation/snmp.md lists what is here.

package import AgentX
package import EVBModel
internal import EVBWire

/// Gathers ports and VSIs into a tree of objects.
package struct EVBObjects {
    /// ieee8021BridgeEvbMib.
    package static let evbMIB: ObjectID = [1, 3, 111, 2, 802, 1, 1, 24]
    /// lldpXDot1EvbExtensions.
    package static let lldpExtension: ObjectID = [1, 3, 111, 2, 802, 1, 1, 13, 1, 5, 32962, 7, 1]
    /// lldpV2DestMacAddress of ``destination``.
    package static let destinationAddress = destinationEntry.appending([2, destination])

    private static let destinationEntry: ObjectID = [1, 3, 111, 2, 802, 1, 1, 13, 1, 1, 9, 1]
    /// LLDP's row for the nearest customer bridge address, to which evbd speaks.
    private static let destination: UInt32 = 1
    /// Edge relays and bridges are one component each, and none has ports in two.
    private static let component: UInt32 = 1
    /// What divides an interface into S-channels is another: the port-mapping S-VLAN component.
    private static let channelComponent: UInt32 = 2
    private static let nearestCustomerBridge: [UInt8] = [0x01, 0x80, 0xC2, 0x00, 0x00, 0x00]

    private var system = Self.evb([1, 1], [1, 2, 3, 4, 5, 7, 11, 12, 13])
    private var sbp = Self.evb([1, 1, 10, 1], [3, 6, 7, 8])
    private var vsidb = Self.evb([1, 2, 1, 1], [5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21])
    private var filters = Self.evb([1, 2, 2, 1], [3])
    private var urp = Self.evb([1, 3, 3, 1], [3, 4, 6, 10, 12, 13])
    private var ecp = Self.evb([1, 3, 4, 1], [4, 5, 6, 7, 8, 9])
    private var uap = Self.evb([1, 3, 1, 1], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
    private var cap = Self.evb([1, 3, 2, 1], [2, 3, 4, 5, 6, 7, 8])
    private var destinations = ObjectTree.Table(Self.destinationEntry, columns: [2])
    private var transmits = Self.lldp([1, 1, 1, 1, 1])
    private var localTLVs = Self.lldp([1, 1, 2, 1, 1])
    private var remoteTLVs = Self.lldp([1, 1, 3, 1, 1])
    /// Interface -> number.
    private var numbers: [String: UInt32] = [:]

    /// Begins with nothing.
    package init() {}

    private static func evb(_ parts: [UInt32], _ columns: [UInt32]) -> ObjectTree.Table {
        ObjectTree.Table(evbMIB.appending(parts), columns: columns)
    }

    private static func lldp(_ parts: [UInt32]) -> ObjectTree.Table {
        ObjectTree.Table(lldpExtension.appending(parts), columns: [1])
    }

    /// Adds a port, the one of that `number` in the configuration, from 1. The first port's values stand for the system.
    package mutating func add(_ port: PortDetails, number: Int) {
        let number = UInt32(clamping: number)
        numbers[port.port.interface] = number
        if system.rows.isEmpty { add(port.sys) }
        let index = [Self.component, number]
        if let objects = port.sbp {
            sbp.add(
                index,
                [
                    .truth(objects.lldpManual), .unsigned(objects.vdpOperToutKeepAlive),
                    objects.vdpOperRsrcWaitDelayExp.map { .unsigned($0) },
                    objects.vdpOperReinitKeepAliveExp.map { .unsigned($0) },
                ])
        }
        if let objects = port.urp {
            urp.add(
                index,
                [
                    .number(objects.ifIndex), .unsigned(objects.bindToISSPort), .truth(objects.lldpManual),
                    .unsigned(objects.vdpOperRespWaitDelay), objects.vdpOperRsrcWaitDelayExp.map { .unsigned($0) },
                    objects.vdpOperReinitKeepAliveExp.map { .unsigned($0) },
                ])
        }
        ecp.add(
            index,
            [
                .unsigned(port.ecp.operMaxRetries), .counter(port.ecp.txFrameCount), .counter(port.ecp.txRetryCount),
                .counter(port.ecp.txFailures), .counter(port.ecp.rxFrameCount),
                port.ecp.operAckTimerInitExp.map { .unsigned($0) },
            ])
        add(port.xdot1, ifIndex: port.ifIndex)
        if let uplink = port.uplink { add(uplink, number, ifIndex: port.ifIndex) }
        if let channel = port.port.channel { add(channel, of: port, number) }
    }

    private mutating func add(_ uplink: UplinkStatus, _ number: UInt32, ifIndex: Int) {
        func role(_ role: PortRole) -> SNMPValue { .integer(role == .station ? 2 : 1) }
        uap.add(
            [number],
            [
                .gauge32(Self.channelComponent), .gauge32(number), .number(ifIndex), .truth(uplink.cdcp),
                role(uplink.role), .number(uplink.adminCapacity), .number(uplink.operCapacity),
                uplink.svidPoolLow.map { .unsigned($0) }, uplink.svidPoolHigh.map { .unsigned($0) },
                .truth(uplink.state == .running), .truth(uplink.remote?.sComponent ?? false),
                uplink.remote.map { role($0.role) }, .integer(Self.nonVolatile), .integer(Self.active),
            ])
    }

    /// A channel is known by its SCID to a station, and by its SVID to a bridge. Its uplink stands before it.
    private mutating func add(_ channel: SChannelStatus, of port: PortDetails, _ number: UInt32) {
        guard let uplink = numbers[channel.uplink],
            let id = port.port.role == .station ? channel.scid : channel.svid
        else { return }
        cap.add(
            [uplink, UInt32(clamping: id)],
            [
                .gauge32(Self.channelComponent), .number(port.ifIndex), .gauge32(number), .unsigned(channel.scid),
                .gauge32(Self.component), .gauge32(number), .integer(Self.active),
            ])
    }

    /// StorageType and RowStatus of what a file configures.
    private static let (nonVolatile, active): (Int32, Int32) = (3, 1)

    private mutating func add(_ objects: SysObjects) {
        system.add(
            [0],
            [
                .integer(objects.type == .evbBridge ? 1 : 2), .unsigned(objects.numExternalPorts),
                .truth(objects.evbLldpTxEnable), .truth(objects.evbLldpManual), .truth(objects.evbLldpGidCapable),
                .number(objects.ecpMaxRetries), .number(objects.ecpDfltAckTimerExp),
                .number(objects.vdpDfltRsrcWaitDelayExp), .number(objects.vdpDfltReinitKeepAliveExp),
            ])
    }

    /// LLDP's tables know a port by the index of its interface.
    private mutating func add(_ objects: Xdot1Objects, ifIndex: Int) {
        guard let index = UInt32(exactly: ifIndex), index > 0 else { return }
        if destinations.rows.isEmpty { destinations.add([Self.destination], [.octets(Self.nearestCustomerBridge)]) }
        transmits.add([index, Self.destination], [.truth(objects.evbConfigEvbTxEnable)])
        if let octets = objects.locEvbTlvString.flatMap(octets(hexadecimal:)) {
            localTLVs.add([index], [.octets(octets)])
        }
        if let octets = objects.remEvbTlvString.flatMap(octets(hexadecimal:)) {
            // A row of time mark 0 has changed since the beginning, as all have. A port hears one neighbour.
            remoteTLVs.add([0, index, Self.destination, 1], [.octets(octets)])
        }
    }

    /// Adds a VSI; one of a port that was not added is left out.
    package mutating func add(_ details: VSIDetails) {
        let (vsi, objects) = (details.vsi, details.vsidb)
        guard let number = numbers[vsi.port], let vsiID = VSIID(vsi.vsiID) else { return }
        // An identifier of a fixed length stands in an index without its length.
        let index = [Self.component, number, UInt32(vsiID.format.rawValue)] + vsiID.octets.map { UInt32($0) }
        vsidb.add(
            index,
            [
                .unsigned(objects.timeSinceCreate), .integer(objects.vdpOperCmd.number), .truth(objects.operRevert),
                .truth(objects.operHard), .octets([objects.operReason?.bit ?? 0]), .number(vsi.typeID),
                .octets([UInt8(clamping: vsi.typeVersion)]), .number(objects.numMACs),
                .integer(objects.vdpMachineState.number), .counter(objects.vdpCommandsSucceeded),
                .counter(objects.vdpCommandsFailed), .counter(objects.vdpCommandReverts),
                .timeTicks(UInt32(truncatingIfNeeded: max(objects.vdpCounterDiscontinuity, 0))),
                octets(hexadecimal: objects.mgrID16).map { .octets($0) }, .integer(objects.filterFormat.number),
            ])
        for filter in vsi.filters {
            let mac = filter.mac.flatMap { MACAddress($0) }?.rawValue ?? 0
            let octets = stride(from: 40, through: 0, by: -8).map { UInt32(mac >> UInt64($0) & 0xFF) }
            let vlan = UInt32(clamping: filter.vlan ?? 0)
            filters.add(index + [UInt32(clamping: filter.group ?? 0)] + octets + [vlan], [.gauge32(vlan)])
        }
    }

    /// The objects of all that was added.
    package var tree: ObjectTree {
        ObjectTree([
            system, sbp, vsidb, filters, uap, cap, urp, ecp, destinations, transmits, localTLVs, remoteTLVs,
        ])
    }
}

extension SNMPValue {
    fileprivate static func truth(_ value: Bool) -> SNMPValue { .integer(value ? 1 : 2) }

    fileprivate static func number(_ value: Int) -> SNMPValue { .integer(Int32(clamping: value)) }

    /// Unsigned32.
    fileprivate static func unsigned(_ value: Int) -> SNMPValue { .gauge32(UInt32(clamping: value)) }

    /// Counter32, which begins at 0 again after its end.
    fileprivate static func counter(_ value: Int) -> SNMPValue {
        .counter32(UInt32(truncatingIfNeeded: max(value, 0)))
    }
}

extension VSIDBObjects.Command {
    fileprivate var number: Int32 {
        switch self {
        case .preAssociate: 1
        case .preAssociateWithRsrcReservation: 2
        case .associate: 3
        case .deAssociate: 4
        }
    }
}

extension VSIDBObjects.Reason {
    /// The first bit of BITS is the highest of the octet.
    fileprivate var bit: UInt8 {
        switch self {
        case .success: 0x80
        case .invalidFormat: 0x40
        case .insufficientResources: 0x20
        case .otherfailure: 0x10
        }
    }
}

extension VSIDBObjects.FilterFormat {
    fileprivate var number: Int32 {
        switch self {
        case .vid: 1
        case .macVid: 2
        case .groupidVid: 3
        case .groupidMacVid: 4
        }
    }
}

/// The octets that pairs of digits stand for; nil for anything else.
private func octets(hexadecimal text: String) -> [UInt8]? {
    let digits = text.utf8.map { Character(Unicode.Scalar($0)).hexDigitValue }
    guard digits.count.isMultiple(of: 2) else { return nil }
    var octets: [UInt8] = []
    for place in stride(from: 0, to: digits.count, by: 2) {
        guard let high = digits[place], let low = digits[place + 1] else { return nil }
        octets.append(UInt8(high << 4 | low))
    }
    return octets
}
