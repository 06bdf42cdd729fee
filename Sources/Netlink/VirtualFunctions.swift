// The virtual functions of a network card, set by way of their physical function: what `ip link set dev PF vf N` does.

internal import CLinux
internal import CNetlink
internal import Glibc
public import LinuxSystem

/// What of a virtual function is to be set; nil leaves it as it is.
public struct VirtualFunctionSettings: Sendable, Equatable {
    /// Whether a virtual function's link is up.
    public enum LinkState: UInt32, Sendable {
        /// As the link of the physical function.
        case auto = 0
        case enable = 1
        case disable = 2
    }

    /// Its number, from 0.
    public var number: UInt32
    /// Its address; all zero lets the function choose one.
    public var address: HardwareAddress?
    /// Its VLAN, 1 to 4094, which the card puts on and takes off; 0 for none.
    public var vlan: UInt16?
    /// The priority of its frames in the VLAN, 0 to 7. Of use with `vlan` only.
    public var priority: UInt8 = 0
    /// Whether frames from other addresses than its own are dropped.
    public var spoofCheck: Bool?
    /// Whether its link is up.
    public var linkState: LinkState?

    /// Describes settings that leave everything as it is.
    public init(number: UInt32) {
        self.number = number
    }

    /// What IFLA_VFINFO_LIST has in it, in the order of the kernel's own numbers and with all that it pads.
    ///
    /// Written here and not by libnl, which marks nests as such; what `ip` sends has no marks there.
    var octets: [UInt8] {
        var content: [UInt8] = []
        func words(_ numbers: UInt32...) -> [UInt8] {
            numbers.flatMap { number in withUnsafeBytes(of: number) { Array($0) } }
        }
        // The structures ifla_vf_mac, ifla_vf_vlan, ifla_vf_spoofchk and ifla_vf_link_state: the number, then the value.
        if let address {
            content += Self.attribute(IFLA_VF_MAC, words(number) + address.octets + [UInt8](repeating: 0, count: 26))
        }
        if let vlan {
            content += Self.attribute(IFLA_VF_VLAN, words(number, UInt32(vlan), UInt32(priority)))
        }
        if let spoofCheck {
            content += Self.attribute(IFLA_VF_SPOOFCHK, words(number, spoofCheck ? 1 : 0))
        }
        if let linkState {
            content += Self.attribute(IFLA_VF_LINK_STATE, words(number, linkState.rawValue))
        }
        return Self.attribute(IFLA_VF_INFO, content)
    }

    /// A netlink attribute; all values here are multiples of four octets.
    private static func attribute(_ type: Int, _ value: [UInt8]) -> [UInt8] {
        let header = (length: UInt16(truncatingIfNeeded: value.count + 4), type: UInt16(truncatingIfNeeded: type))
        return withUnsafeBytes(of: header) { Array($0) } + value
    }
}

extension Links {
    /// Sets a virtual function of a card.
    ///
    /// The kernel sets one thing after the other, and stops at the first that the card refuses.
    /// - Parameters:
    ///   - portIndex: The physical function.
    ///   - settings: What is set.
    /// - Throws: `NetlinkError` of kind `notSupported` where the link has no virtual functions or cannot set this of them, `invalid`
    ///   where it has not that many.
    public func setVirtualFunction(
        portIndex: Int32, _ settings: VirtualFunctionSettings
    ) throws(NetlinkError) {
        try requests.perform(
            Self.message(portIndex: portIndex, settings),
            "set VF \(settings.number) of \(Self.name(ofIndex: portIndex))")
    }

    static func message(portIndex: Int32, _ settings: VirtualFunctionSettings) -> LinkMessage {
        let message = LinkMessage(type: RTM_SETLINK, index: portIndex)
        message.put(IFLA_VFINFO_LIST, settings.octets)
        return message
    }
}

extension LinkMessage {
    /// The message as it would be sent, with the flags, the sequence number and the sender that are added then.
    var octets: [UInt8] {
        guard let header = nlmsg_hdr(pointer) else { return [] }
        return Array(UnsafeRawBufferPointer(start: header, count: Int(header.pointee.nlmsg_len)))
    }
}
