// VLAN devices: the link of a VSI whose frames belong to one VLAN sits on one of these, so that its machine need not tag them.

internal import CNetlink
internal import Glibc
public import LinuxSystem

/// The tags that a VLAN device puts in front of frames.
public enum VLANTagType: UInt16, Sendable {
    /// C-tags of 802.1Q.
    case customer = 0x8100
    /// S-tags of 802.1ad. Such devices have VLANs of their own, with the same numbers.
    case service = 0x88A8
}

/// A VLAN device to have.
public struct VLANDevice: Sendable, Hashable {
    /// The name that it gets if there is none yet.
    public var name: String
    /// The index of the link below.
    public var parentIndex: Int32
    /// The VLAN, 1 to 4094.
    public var vid: UInt16
    /// The alias that it gets if there is none yet.
    public var alias: String
    /// The tags.
    public var tagType: VLANTagType
    /// The address that a new one gets; nil is that of the link below.
    public var address: HardwareAddress?

    /// Describes a device.
    public init(
        name: String, parentIndex: Int32, vid: UInt16, alias: String, tagType: VLANTagType = .customer,
        address: HardwareAddress? = nil
    ) {
        self.name = name
        self.parentIndex = parentIndex
        self.vid = vid
        self.alias = alias
        self.tagType = tagType
        self.address = address
    }

    /// Whether the kernel has VLAN devices by now, or has had one since it was started; it loads their module with the first.
    public static var areKnown: Bool { access("/proc/net/vlan", F_OK) == 0 }

    /// IFLA_VLAN_ID; `linux/if_link.h` has it in an enumeration without a name.
    static let identifier = Int(IFLA_VLAN_ID)
    /// IFLA_VLAN_PROTOCOL, in the order of the network.
    static let protocolAttribute = Int(IFLA_VLAN_PROTOCOL)
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
        do throws(NetlinkError) {
            try requests.perform(Self.creation(of: device, group: MacvlanSpec.group), operation)
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

extension Links {
    private static func creation(of device: VLANDevice, group: UInt32?) -> LinkMessage {
        let message = LinkMessage(type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL)
        message.put(IFLA_IFNAME, device.name)
        message.put(IFLA_LINK, UInt32(bitPattern: device.parentIndex))
        if let group { message.put(IFLA_GROUP, group) }
        if let address = device.address { message.put(IFLA_ADDRESS, address.octets) }
        message.nest(IFLA_LINKINFO) {
            message.put(IFLA_INFO_KIND, "vlan")
            message.nest(IFLA_INFO_DATA) {
                message.put(VLANDevice.identifier, device.vid)
                // The kernel's own choice is C-tags.
                if device.tagType != .customer {
                    message.put(VLANDevice.protocolAttribute, device.tagType.rawValue.bigEndian)
                }
            }
        }
        return message
    }

    /// Makes a VLAN device that is down, with its alias, and keeps the host's own addresses off it.
    ///
    /// - Parameter device: The device.
    /// - Returns: The device as the kernel has it.
    /// - Throws: `NetlinkError` of kind `notSupported` where the kernel has no VLAN devices, `exists` where another link has the name
    ///   or the VLAN, also in another network namespace.
    package func createVLAN(_ device: VLANDevice) throws(NetlinkError) -> Link {
        let operation = "create VLAN device \(device.name) on \(Self.name(ofIndex: device.parentIndex))"
        guard Self.isName(device.name), device.alias.utf8.count <= MacvlanSpec.aliasLengthMax else {
            throw NetlinkError(operation: operation, kind: .invalid, code: EINVAL, reason: "The name is too long")
        }
        try requests.perform(Self.creation(of: device, group: nil), operation)
        guard let created = try link(named: device.name) else {
            throw NetlinkError(operation: operation, kind: .notFound, reason: "It was removed at once")
        }
        do throws(NetlinkError) {
            keepHostOff(index: created.index)
            let link = try setAlias(index: created.index, device.alias)
            guard let link else {
                throw NetlinkError(operation: operation, kind: .notFound, reason: "It was removed at once")
            }
            return link
        } catch {
            try? delete(index: created.index)
            throw error
        }
    }

    /// Gives a link an alias.
    ///
    /// - Returns: The link, or nil if it is gone.
    package func setAlias(index: Int32, _ alias: String) throws(NetlinkError) -> Link? {
        let message = LinkMessage(type: RTM_SETLINK, index: index)
        message.put(IFLA_IFALIAS, alias)
        try requests.perform(message, "set the alias of \(Self.name(ofIndex: index))")
        return try link(index: index)
    }

    /// Makes a link a port of a bridge, whichever it was a port of before.
    ///
    /// - Throws: `NetlinkError`.
    package func setMaster(index: Int32, bridgeIndex: Int32) throws(NetlinkError) {
        let message = LinkMessage(type: RTM_SETLINK, index: index)
        message.put(IFLA_MASTER, UInt32(bitPattern: bridgeIndex))
        let names = (Self.name(ofIndex: index), Self.name(ofIndex: bridgeIndex))
        try requests.perform(message, "make \(names.0) a port of \(names.1)")
    }
}

extension VLANDevice {
    /// Whether a link is this VLAN, by tags of this type, of the link below.
    public func isServed(by link: Link) -> Bool {
        link.kind == "vlan" && link.parentIndex == parentIndex && link.vlanID == vid
            && link.vlanProtocol ?? VLANTagType.customer.rawValue == tagType.rawValue
    }
}
