// The classic BPF program that decides, inside the kernel, which frames wake evbd. Pure: it makes instructions.

internal import CLinux
internal import LinuxSystem

/// The filter of a packet socket: frames of given EtherTypes that belong to a port, or those of them that do not.
///
/// A frame belongs to the port when it is for one of the port's groups, came in by the port's own link, and is in no VLAN:
/// untagged, or tagged for priority only (VLAN 0). A frame for this host's own address is not EVB's, and any station of the
/// network could send one. A VLAN device on the port hands its frames to the port's sockets with the tag taken off: only the
/// interface index tells such a frame from the neighbour's.
struct PacketFilter {
    /// EtherTypes that one socket can tell apart; an 8-bit jump reaches over all of them.
    static let etherTypesMax = 64
    /// Groups in one filter: four instructions each, far below the kernel's 4096 in all.
    static let groupsMax = 64
    /// Source addresses in one filter: a neighbour's own, its chassis's and its port's.
    static let sourcesMax = 8
    /// Octets of a stray that are handed up: enough to tell what it is.
    static let strayLength = 64
    /// Octets of a stray that is to be read: a frame of an ordinary MTU.
    static let readStrayLength = 1518

    /// The EtherType of S-tags (802.1ad).
    private static let serviceTag: UInt32 = 0x88A8

    let instructions: [sock_filter]

    /// Makes the program that accepts the frames that belong to the port.
    ///
    /// - Parameters:
    ///   - etherTypes: What to accept, one at least.
    ///   - groups: The group addresses to accept; the interface's own may be among them.
    ///   - interfaceIndex: The port.
    ///   - sources: From where to accept.
    ///   - snapLength: Octets of a frame to hand up; the rest is cut off.
    init(
        etherTypes: [UInt16], groups: [HardwareAddress], interfaceIndex: Int32, sources: FrameSources = .any,
        snapLength: Int
    ) {
        instructions =
            Self.check(etherTypes) + Self.check(sources)
            + Self.judge(
                groups: groups, interfaceIndex: interfaceIndex, own: Self.end(keeping: UInt32(snapLength)),
                stray: Self.end(keeping: 0))
    }

    /// Makes the program that accepts the frames of the same EtherTypes that do not belong to the port, and drops those
    /// that do. Frames that this host sends are neither, and those of devices above the port are not where these are ports too. Of one
    /// EtherType, which may be nil, more than `length` octets are handed up.
    init(
        straysOf etherTypes: [UInt16], reading read: UInt16? = nil, groups: [HardwareAddress], interfaceIndex: Int32,
        withDevicesAbove: Bool = true, length: Int = strayLength
    ) {
        let drop = Self.end(keeping: 0)
        let outgoing = [
            Self.load(BPF_B, Self.ancillary(SKF_AD_PKTTYPE)),
            Self.ifEqual(UInt32(PACKET_OUTGOING), skip: 0, otherwise: 1), drop,
        ]
        func judge(keeping length: Int) -> [sock_filter] {
            let stray = Self.end(keeping: UInt32(length))
            return Self.judge(
                groups: groups, interfaceIndex: interfaceIndex, own: drop, stray: stray,
                above: withDevicesAbove ? nil : drop)
        }
        var program = Self.check(etherTypes) + outgoing
        if let read {
            let whole = judge(keeping: Self.readStrayLength)
            // A = the EtherType. Another one: over all that is for this one.
            program += [Self.load(BPF_H, 12), Self.ifEqual(UInt32(read), skip: 1), Self.skip(whole.count)] + whole
        }
        instructions = program + judge(keeping: length)
    }

    /// Takes a program as it is, for tests.
    init(raw instructions: [sock_filter]) { self.instructions = instructions }

    /// Instructions that drop other EtherTypes, and else go on after the last of them.
    private static func check(_ etherTypes: [UInt16]) -> [sock_filter] {
        precondition(!etherTypes.isEmpty && etherTypes.count <= etherTypesMax, "one to 64 EtherTypes")
        // A = the EtherType, octets 12 and 13 (a VLAN tag is taken off before the filter runs).
        var program = [load(BPF_H, 12)]
        for (index, etherType) in etherTypes.enumerated() {
            // Equal: over the EtherTypes that are left and the drop.
            program.append(ifEqual(UInt32(etherType), skip: etherTypes.count - index))
        }
        program.append(end(keeping: 0))
        return program
    }

    /// Instructions that end the program: by `own` for a frame that belongs to the port, by `stray` for any other.
    private static func judge(
        groups: [HardwareAddress], interfaceIndex: Int32, own: sock_filter, stray: sock_filter,
        above: sock_filter? = nil
    ) -> [sock_filter] {
        precondition(groups.count <= groupsMax, "no more than 64 groups")
        var program: [sock_filter] = []

        // A = the interface that the frame is on by now: the port, or a VLAN device on it.
        program.append(load(BPF_W, ancillary(SKF_AD_IFINDEX)))
        program.append(ifEqual(UInt32(bitPattern: interfaceIndex), skip: 1))
        program.append(above ?? stray)

        // A = whether a tag was taken off and is still there. On a VLAN device the tag has done its work and is not, but
        // up to Linux 6.1 its number stays behind. None: over the look at the number.
        program.append(load(BPF_B, ancillary(SKF_AD_VLAN_TAG_PRESENT)))
        if let above {
            // A = the type of the tag. An S-tag is that of a channel, or none that this host knows.
            program.append(ifEqual(0, skip: 6))
            program.append(load(BPF_H, ancillary(SKF_AD_VLAN_TPID)))
            program.append(ifEqual(serviceTag, skip: 0, otherwise: 1))
            program.append(above)
        } else {
            program.append(ifEqual(0, skip: 3))
        }
        // A = the tag; its low 12 bits are the VLAN, 0 where the tag is there for the priority only.
        program.append(load(BPF_H, ancillary(SKF_AD_VLAN_TAG)))
        program.append(jump(BPF_JSET, 0x0FFF, ifSo: 0, ifNot: 1))
        program.append(stray)

        // A = how the kernel classed the frame. One of a VLAN that this host does not have is for another host, also where
        // it is for a group and the tag is gone.
        program.append(load(BPF_B, ancillary(SKF_AD_PKTTYPE)))
        if groups.contains(where: { $0.value >> 40 & 1 == 0 }) {
            // One of them is the interface's own.
            program.append(ifEqual(UInt32(PACKET_MULTICAST), skip: 2))
            program.append(ifEqual(UInt32(PACKET_HOST), skip: 1))
        } else {
            program.append(ifEqual(UInt32(PACKET_MULTICAST), skip: 1))
        }
        program.append(stray)

        for group in groups {
            // A = the last four octets of the destination. Not this group's: over its other half.
            program.append(load(BPF_W, 2))
            program.append(ifEqual(UInt32(truncatingIfNeeded: group.value), skip: 0, otherwise: 3))
            // A = the first two octets of the destination. Not this group's: over the end.
            program.append(load(BPF_H, 0))
            program.append(ifEqual(UInt32(truncatingIfNeeded: group.value >> 32), skip: 0, otherwise: 1))
            program.append(own)
        }
        program.append(stray)
        return program
    }

    /// Instructions that drop what comes from elsewhere, and else go on after the last of them.
    private static func check(_ sources: FrameSources) -> [sock_filter] {
        let addresses = sources.addresses
        precondition(addresses.count <= sourcesMax, "no more than 8 sources")
        var program: [sock_filter] = []
        for (index, address) in addresses.enumerated() {
            // A = the last four octets of the source. Not this one's: to the next.
            program.append(load(BPF_W, 8))
            let low = UInt32(truncatingIfNeeded: address.value)
            let high = UInt32(truncatingIfNeeded: address.value >> 32)
            switch sources {
            case .any: break
            case .only:
                program.append(ifEqual(low, skip: 0, otherwise: 2))
                program.append(load(BPF_H, 6))
                // Over the addresses that are left and the drop.
                program.append(ifEqual(high, skip: 4 * (addresses.count - 1 - index) + 1))
            case .except:
                program.append(ifEqual(low, skip: 0, otherwise: 3))
                program.append(load(BPF_H, 6))
                program.append(ifEqual(high, skip: 0, otherwise: 1))
                program.append(end(keeping: 0))
            }
        }
        if case .only = sources { program.append(end(keeping: 0)) }
        return program
    }

    /// Loads octets of the frame into A; a frame that is too short is dropped by the kernel.
    private static func load(_ size: Int32, _ offset: UInt32) -> sock_filter {
        sock_filter(code: UInt16(BPF_LD | size | BPF_ABS), jt: 0, jf: 0, k: offset)
    }

    /// The offset by which a filter reads what the kernel knows besides the frame's octets.
    private static func ancillary(_ field: Int32) -> UInt32 {
        UInt32(bitPattern: SKF_AD_OFF + field)
    }

    private static func ifEqual(_ value: UInt32, skip: Int, otherwise: Int = 0) -> sock_filter {
        jump(BPF_JEQ, value, ifSo: UInt8(skip), ifNot: UInt8(otherwise))
    }

    /// Compares A with a value and goes on, so many instructions after the next.
    private static func jump(_ condition: Int32, _ value: UInt32, ifSo: UInt8, ifNot: UInt8) -> sock_filter {
        sock_filter(code: UInt16(BPF_JMP | condition | BPF_K), jt: ifSo, jf: ifNot, k: value)
    }

    /// Goes on after so many instructions.
    private static func skip(_ count: Int) -> sock_filter {
        sock_filter(code: UInt16(BPF_JMP | BPF_JA), jt: 0, jf: 0, k: UInt32(count))
    }

    /// Ends the program: so many octets of the frame are handed up, and none means that it is dropped.
    private static func end(keeping length: UInt32) -> sock_filter {
        sock_filter(code: UInt16(BPF_RET | BPF_K), jt: 0, jf: 0, k: length)
    }
}
