// The switch inside of a network card, which relays between its virtual functions: what `bridge link set dev PF hwmode` does.

internal import CNetlink
internal import Glibc
internal import LinuxSystem

/// How the switch inside of a card relays (IFLA_BRIDGE_MODE).
public enum CardSwitchMode: UInt16, Sendable, CaseIterable {
    /// Between functions directly.
    case veb = 0
    /// Everything goes to the wire, and comes back from there if the switch reflects it.
    case vepa = 1
}

/// Of linux/if_bridge.h, which does not go together with the C library's own headers.
private enum CardBridge {
    /// NLA_F_NESTED.
    static let nested = 1 << 15
    static let flags = 0
    static let mode = 1
    /// The card itself, and not the Linux bridge whose port it may be.
    static let itself: UInt16 = 2
}

extension Links {
    /// Has a card relay in a mode, if it does not already: a card may lose frames while it changes.
    ///
    /// - Parameters:
    ///   - portIndex: The physical function.
    ///   - mode: The mode.
    /// - Throws: `NetlinkError` of kind `notSupported` where the link is no card that can be told, `other` where it has taken the mode
    ///   and shows another.
    public func setCardSwitch(portIndex: Int32, _ mode: CardSwitchMode) throws(NetlinkError) {
        if try cardSwitch(portIndex: portIndex) == mode { return }
        let operation = "set hwmode \(mode) of \(Self.name(ofIndex: portIndex))"
        try requests.perform(Self.message(portIndex: portIndex, mode), operation)
        if let shown = try cardSwitch(portIndex: portIndex), shown != mode {
            throw NetlinkError(
                operation: operation, kind: .other, reason: "the card took it and stays in mode \(shown)")
        }
    }

    /// The mode in which a card relays; nil for a link that does not say.
    ///
    /// - Throws: `NetlinkError`.
    public func cardSwitch(portIndex: Int32) throws(NetlinkError) -> CardSwitchMode? {
        var mode: CardSwitchMode?
        try requests.dump(
            "read hwmode of \(Self.name(ofIndex: portIndex))", start: { mode = nil },
            // The kernel lists all: it knows no question about one link here.
            request: { LinkMessage(type: RTM_GETLINK, flags: NLM_F_DUMP, family: AF_BRIDGE) },
            reader: { header in
                if let found = Link.cardSwitch(message: header), found.index == portIndex { mode = found.mode }
            })
        return mode
    }

    static func message(portIndex: Int32, _ mode: CardSwitchMode) -> LinkMessage {
        // As `bridge` sends it. Written here and not by libnl, which leaves out a nest that is empty, and marks the other as one.
        let message = LinkMessage(type: RTM_SETLINK, index: portIndex, family: AF_BRIDGE)
        message.put(IFLA_PROTINFO | CardBridge.nested, [])
        var content: [UInt8] = []
        for (type, value) in [(CardBridge.flags, CardBridge.itself), (CardBridge.mode, mode.rawValue)] {
            // Header, value, and two octets that make it a multiple of four.
            for word in [UInt16(6), UInt16(type), value, 0] { withUnsafeBytes(of: word) { content += Array($0) } }
        }
        message.put(IFLA_AF_SPEC, content)
        return message
    }
}

extension Link {
    /// What a message of family AF_BRIDGE says of a card's own switch; nil if it says nothing of one.
    static func cardSwitch(message header: UnsafeMutablePointer<nlmsghdr>) -> (index: Int32, mode: CardSwitchMode)? {
        let length = Int32(MemoryLayout<ifinfomsg>.size)
        guard Int(header.pointee.nlmsg_type) == RTM_NEWLINK, nlmsg_valid_hdr(header, length) != 0,
            let payload = nlmsg_data(header)
        else { return nil }
        let information = payload.loadUnaligned(as: ifinfomsg.self)
        guard information.ifi_family == UInt8(AF_BRIDGE) else { return nil }
        var flags: UInt16 = 0
        var mode: UInt16?
        Attributes(first: nlmsg_attrdata(header, length), length: nlmsg_attrlen(header, length)).forEach { attribute in
            guard attribute.type == IFLA_AF_SPEC else { return }
            attribute.nested.forEach { inner in
                guard inner.octets.count >= 2 else { return }
                let value = inner.octets.loadUnaligned(as: UInt16.self)
                if inner.type == CardBridge.flags { flags = value }
                if inner.type == CardBridge.mode { mode = value }
            }
        }
        guard flags & CardBridge.itself != 0, let known = mode.flatMap({ CardSwitchMode(rawValue: $0) }) else {
            return nil
        }
        return (information.ifi_index, known)
    }
}
