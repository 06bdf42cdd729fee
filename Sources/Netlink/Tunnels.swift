// VNIs of VXLAN devices, and the VLANs of bridges that are mapped to them. The messages are put together by hand: libnl 3.7 knows
// neither.

internal import CNetlink
internal import Glibc

/// VNIs, as the kernel lists them: in ranges. One range may have all 16 million.
public struct VNISet: Sendable, Equatable {
    private var ranges: [ClosedRange<UInt32>] = []

    /// No VNI.
    public init() {}

    /// Adds those from one to another.
    public mutating func insert(_ range: ClosedRange<UInt32>) { ranges.append(range) }

    /// Whether a VNI is among them.
    public func contains(_ vni: UInt32) -> Bool { ranges.contains { $0.contains(vni) } }
}

/// Asks for and changes the VNIs of VXLAN devices and how a bridge maps its VLANs to them, by synchronous requests over one socket.
///
/// Changes need CAP_NET_ADMIN. For one thread; every method throws `NetlinkError`.
public final class Tunnels {
    let requests: RequestSocket

    /// Opens the socket.
    public init() throws(NetlinkError) { requests = try RequestSocket() }

    // MARK: VNIs

    /// The VNIs that were added to a VXLAN device with `vnifilter`.
    public func vnis(deviceIndex: Int32) throws(NetlinkError) -> VNISet {
        var vnis = VNISet()
        try requests.dump(
            "list the VNIs of interface \(deviceIndex)", start: { vnis = VNISet() },
            request: { LinkMessage(tunnelType: TunnelMessage.get, flags: NLM_F_DUMP, index: deviceIndex) },
            reader: { header in
                guard nlmsg_valid_hdr(header, TunnelMessage.headerLength) != 0, let payload = nlmsg_data(header),
                    payload.loadUnaligned(fromByteOffset: 4, as: Int32.self) == deviceIndex
                else { return }
                let attributes = Attributes(
                    first: nlmsg_attrdata(header, TunnelMessage.headerLength),
                    length: nlmsg_attrlen(header, TunnelMessage.headerLength))
                attributes.forEach { if let range = TunnelMessage.range($0) { vnis.insert(range) } }
            })
        return vnis
    }

    /// Adds a VNI to a VXLAN device with `vnifilter`, or removes it.
    ///
    /// - Throws: `NetlinkError` where the device takes any VNI or one alone.
    public func setVNI(_ vni: UInt32, deviceIndex: Int32, _ isThere: Bool) throws(NetlinkError) {
        try requests.perform(
            Self.vniMessage(vni, deviceIndex, isThere),
            "\(isThere ? "add VNI \(vni) to" : "remove VNI \(vni) from") interface \(deviceIndex)")
    }

    static func vniMessage(_ vni: UInt32, _ index: Int32, _ isThere: Bool) -> LinkMessage {
        let message = LinkMessage(tunnelType: isThere ? TunnelMessage.new : TunnelMessage.delete, index: index)
        message.nest(TunnelMessage.entry) { message.put(TunnelMessage.start, vni) }
        return message
    }

    // MARK: Mappings

    /// The VNIs of a bridge port by the VLANs that are mapped to them.
    public func mappings(portIndex: Int32) throws(NetlinkError) -> [UInt16: UInt32] {
        var reader = MappingReader()
        try requests.dump(
            "list the VLANs that interface \(portIndex) maps to VNIs", start: { reader = MappingReader() },
            request: {
                let message = LinkMessage(type: RTM_GETLINK, flags: NLM_F_DUMP, family: AF_BRIDGE)
                // RTEXT_FILTER_BRVLAN: the kernel puts mappings in ranges all the same.
                message.put(IFLA_EXT_MASK, UInt32(1 << 1))
                return message
            },
            reader: { header in
                let length = Int32(MemoryLayout<ifinfomsg>.size)
                guard nlmsg_valid_hdr(header, length) != 0, let payload = nlmsg_data(header),
                    payload.loadUnaligned(as: ifinfomsg.self).ifi_index == portIndex
                else { return }
                Attributes(first: nlmsg_attrdata(header, length), length: nlmsg_attrlen(header, length)).forEach {
                    guard $0.type == IFLA_AF_SPEC else { return }
                    $0.nested.forEach { if $0.type == MappingReader.attribute { reader.take($0.nested) } }
                }
            })
        return reader.mappings
    }

    /// Maps a VLAN of a bridge port to a VNI, or ends that.
    ///
    /// The port is a member of the VLAN, and has its flag `vlan_tunnel` set. A kernel whose bridges know no VLANs takes this without
    /// an error, and does nothing.
    public func setMapping(portIndex: Int32, of vid: UInt16, to vni: UInt32, _ isThere: Bool) throws(NetlinkError) {
        try requests.perform(
            Self.mappingMessage(portIndex, vid, vni, isThere),
            "\(isThere ? "map" : "no longer map") VLAN \(vid) of interface \(portIndex) to VNI \(vni)")
    }

    static func mappingMessage(_ index: Int32, _ vid: UInt16, _ vni: UInt32, _ isThere: Bool) -> LinkMessage {
        let message = LinkMessage(type: isThere ? RTM_SETLINK : RTM_DELLINK, index: index, family: AF_BRIDGE)
        message.nest(IFLA_AF_SPEC) {
            message.nest(MappingReader.attribute) {
                message.put(MappingReader.vni, vni)
                message.put(MappingReader.vid, vid)
                message.put(MappingReader.flags, UInt16(0))
            }
        }
        return message
    }
}

/// RTM_NEWTUNNEL and the like (`linux/if_link.h` of Linux 5.18; older headers do not have them).
enum TunnelMessage {
    static let (new, delete, get) = (120, 121, 122)
    /// struct tunnel_msg: family, flags, 16 bits of nothing, and the index of the device.
    static let headerLength: Int32 = 8
    /// VXLAN_VNIFILTER_ENTRY, and what is in it.
    static let entry = 1
    static let (start, end) = (1, 2)

    /// The VNIs of an entry.
    static func range(_ attribute: Attribute) -> ClosedRange<UInt32>? {
        guard attribute.type == entry else { return nil }
        var first: UInt32?
        var last: UInt32?
        attribute.nested.forEach { detail in
            if detail.type == start { first = detail.uint32 }
            if detail.type == end { last = detail.uint32 }
        }
        guard let first, first <= last ?? first else { return nil }
        return first...(last ?? first)
    }
}

/// Reads IFLA_BRIDGE_VLAN_TUNNEL_INFOs: a VLAN and a VNI each, ranges as a beginning and an end.
struct MappingReader {
    static let attribute = 3
    /// IFLA_BRIDGE_VLAN_TUNNEL_ID, _VID and _FLAGS.
    static let (vni, vid, flags) = (1, 2, 3)
    private static let (rangeBegin, rangeEnd) = (UInt16(1 << 3), UInt16(1 << 4))

    private(set) var mappings: [UInt16: UInt32] = [:]
    private var begin: (vid: UInt16, vni: UInt32)?

    mutating func take(_ details: Attributes) {
        var (vni, vid, flags) = (UInt32?.none, UInt16?.none, UInt16(0))
        details.forEach { detail in
            switch detail.type {
            case Self.vni: vni = detail.uint32
            case Self.vid: vid = detail.uint16
            case Self.flags: flags = detail.uint16 ?? 0
            default: break
            }
        }
        if let vid, let vni { take(vid, vni, flags) }
    }

    mutating func take(_ vid: UInt16, _ vni: UInt32, _ flags: UInt16) {
        if flags & Self.rangeBegin != 0 {
            begin = (vid, vni)
        } else if let first = begin, flags & Self.rangeEnd != 0, first.vid <= vid {
            for step in 0...(vid - first.vid) { mappings[first.vid + step] = first.vni &+ UInt32(step) }
            begin = nil
        } else {
            mappings[vid] = vni
        }
    }
}
