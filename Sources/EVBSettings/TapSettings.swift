// What becomes of machines' taps for which no manager speaks VDP.

internal import EVBWire

/// The type as which a tap is associated.
package struct TapType: Sendable, Hashable {
    /// The manager ID as people write it; nil for none.
    package var manager: String?
    /// The type, 0 to 16777215.
    package var typeID: UInt32
    package var version: UInt8

    package init(manager: String? = nil, typeID: UInt32, version: UInt8 = 0) {
        self.manager = manager
        self.typeID = typeID
        self.version = version
    }

    package static let typeIDRange = 0...0xFF_FFFF
    package static let versionRange = 0...255
}

/// The host's Open vSwitch.
package struct OpenVSwitchSettings: Sendable, Equatable {
    /// The absolute path of ovsdb-server's socket, at most 107 octets.
    package var socket = standardSocket
    /// What a tap with a `port-profile` is associated as, by the names of profiles; at most ``profilesMax``.
    package var profiles: [String: TapType] = [:]

    package init() {}

    package static let standardSocket = "/run/openvswitch/db.sock"
    package static let profilesMax = 1_024

    /// Whether an operator has said anything of an Open vSwitch.
    package var isMentioned: Bool { self != OpenVSwitchSettings() }
}

/// A rule for taps in the Linux bridge of a port.
package struct TapRule: Sendable, Equatable {
    /// The rule's name, for people; each once.
    package var name: String
    /// What the names of links are like; nil for any.
    package var link: NamePattern?
    /// What the addresses of machines are like; nil for any.
    package var address: MACPattern?
    package var type: TapType
    /// The VLAN in which the machine's frames are; nil leaves it to the bridge.
    package var vlan: UInt16?

    package init(
        name: String, link: NamePattern? = nil, address: MACPattern? = nil, type: TapType, vlan: UInt16? = nil
    ) {
        self.name = name
        self.link = link
        self.address = address
        self.type = type
        self.vlan = vlan
    }

    package static let rulesMax = 256
    package static let vlanRange = 1...4_094
}

/// A name in which `*` stands for any characters, also none.
package struct NamePattern: Sendable, Hashable, LosslessStringConvertible {
    package let description: String
    private let parts: [[UInt8]]

    /// Reads a pattern of 1 to 15 octets without white space and slashes; nil for another text.
    package init?(_ text: String) {
        guard (1...15).contains(text.utf8.count), !text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x2F || $0 >= 0x7F })
        else { return nil }
        description = text
        parts = text.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false).map(Array.init)
    }

    package func matches(_ name: String) -> Bool {
        var rest = Array(name.utf8)[...]
        guard parts.count > 1 else { return rest.elementsEqual(parts[0]) }
        guard rest.starts(with: parts[0]) else { return false }
        rest = rest.dropFirst(parts[0].count)
        for part in parts[1..<(parts.count - 1)] where !part.isEmpty {
            guard let found = rest.range(of: part) else { return false }
            rest = rest[found.upperBound...]
        }
        let end = parts[parts.count - 1]
        return rest.count >= end.count && rest.suffix(end.count).elementsEqual(end)
    }
}
