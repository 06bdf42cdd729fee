// VLAN devices: the link of a VSI whose frames belong to one VLAN sits on one of these, so that its machine need not tag them.

internal import CNetlink
internal import Glibc

/// A VLAN device to have.
public struct VLANDevice: Sendable, Equatable {
    /// The name that it gets if there is none yet.
    public var name: String
    /// The index of the link below.
    public var parentIndex: Int32
    /// The VLAN, 1 to 4094.
    public var vid: UInt16
    /// The alias that it gets if there is none yet.
    public var alias: String

    /// Describes a device.
    public init(name: String, parentIndex: Int32, vid: UInt16, alias: String) {
        self.name = name
        self.parentIndex = parentIndex
        self.vid = vid
        self.alias = alias
    }

    /// Whether the kernel has VLAN devices by now, or has had one since it was started; it loads their module with the first.
    public static var areKnown: Bool { access("/proc/net/vlan", F_OK) == 0 }

    /// IFLA_VLAN_ID; `linux/if_link.h` has it in an enumeration without a name.
    static let identifier = Int(IFLA_VLAN_ID)
    /// IFLA_VLAN_PROTOCOL, in the order of the network.
    static let protocolAttribute = Int(IFLA_VLAN_PROTOCOL)
    /// The tag type of 802.1Q. Devices of 802.1ad have VLANs of their own, with the same numbers.
    static let tagType: UInt16 = 0x8100
}

extension Links {
    /// Sees to it that there is a VLAN device of a link; one that somebody else has made will do, whatever its name.
    ///
    /// - Parameter device: The device; a new one is set up.
    /// - Returns: The device as the kernel has it.
    /// - Throws: `NetlinkError` of kind `notSupported` where the kernel has no VLAN devices, `exists` where another link has the name.
    public func ensureVLAN(_ device: VLANDevice) throws(NetlinkError) -> Link {
        let operation = "create VLAN device \(device.name) on \(Self.name(ofIndex: device.parentIndex))"
        guard Self.isName(device.name), device.alias.utf8.count <= MacvlanSpec.aliasLengthMax else {
            throw NetlinkError(operation: operation, kind: .invalid, code: EINVAL, reason: "The name is too long")
        }
        if let link = try link(named: device.name), device.isServed(by: link) { return link }
        let message = LinkMessage(type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL)
        message.put(IFLA_IFNAME, device.name)
        message.put(IFLA_LINK, UInt32(bitPattern: device.parentIndex))
        message.put(IFLA_GROUP, MacvlanSpec.group)
        message.nest(IFLA_LINKINFO) {
            message.put(IFLA_INFO_KIND, "vlan")
            message.nest(IFLA_INFO_DATA) { message.put(VLANDevice.identifier, device.vid) }
        }
        do throws(NetlinkError) {
            try requests.perform(message, operation)
        } catch {
            // Also where one of another name has the VLAN; the kernel says the same of both.
            guard error.kind == .exists, let link = try dump().first(where: device.isServed) else { throw error }
            return link
        }
        guard let created = try link(named: device.name) else {
            throw NetlinkError(operation: operation, kind: .notFound, reason: "It was removed at once")
        }
        do throws(NetlinkError) {
            keepHostOff(index: created.index)
            let message = LinkMessage(type: RTM_SETLINK, index: created.index)
            message.put(IFLA_IFALIAS, device.alias)
            message.setUp(true)
            try requests.perform(message, operation)
            guard let link = try link(index: created.index) else {
                throw NetlinkError(operation: operation, kind: .notFound, reason: "It was removed at once")
            }
            return link
        } catch {
            try? delete(index: created.index)
            throw error
        }
    }
}

extension VLANDevice {
    /// Whether a link is this VLAN, of 802.1Q, of the link below.
    public func isServed(by link: Link) -> Bool {
        link.kind == "vlan" && link.parentIndex == parentIndex && link.vlanID == vid
            && link.vlanProtocol ?? Self.tagType == Self.tagType
    }
}
