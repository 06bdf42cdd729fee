package import EVBWire

/// Where a port is that is an S-channel: on which uplink, and under which number.
package struct ChannelPlace: Sendable, Hashable {
    /// The interface that the channel shares with others.
    package var uplink: String
    package var scid: SCID

    /// Joins the two.
    package init(uplink: String, scid: SCID) {
        self.uplink = uplink
        self.scid = scid
    }
}

/// A port's interface as an uplink access port (802.1Q clause 42): how it is divided into S-channels.
///
/// Channel 1 is the port itself. Each other channel is a port of its own (``PortSettings/channel``).
package struct UplinkSettings: Sendable, Equatable {
    /// A channel that the configuration names.
    package struct Channel: Sendable, Equatable {
        /// Its interface, 1 to 15 octets.
        package var name: String
        /// Its S-tag: with CDCP the one to ask for, without CDCP the one that it has. nil leaves it to the bridge.
        package var svid: SVID?

        /// Joins the two.
        package init(name: String, svid: SVID? = nil) {
            self.name = name
            self.svid = svid
        }
    }

    /// The interface.
    package var interface: String
    /// The port's side.
    package var role: PortSettings.Role
    /// Whether channels are agreed on by CDCP; else those that are configured are there.
    package var isNegotiated = true
    /// AdminChnCap: channels that may be, the default one included; 1 to 167.
    package var capacity = Self.capacityMax
    /// The channels that the configuration names.
    package var channels: [SCID: Channel] = [:]
    /// LocalSVIDPool: what a bridge gives by CDCP.
    package var svids: ClosedRange<UInt16>?
    /// The Linux bridge that a bridge's channels are ports of; nil is the one that the uplink is a port of.
    package var bridge: String?
    /// What a channel is that a station asks a bridge for.
    package var template = PortSettings(interface: "")
    /// Where the configuration says something else of one of those.
    package var overrides: [SCID: PortSettings] = [:]

    /// Channels at most, the default one included.
    package static let capacityMax = 167

    /// An uplink with the default channel alone.
    package init(interface: String, role: PortSettings.Role) {
        self.interface = interface
        self.role = role
    }

    /// The interface's name of a channel.
    package func name(of scid: SCID) -> String { channels[scid]?.name ?? Self.name(of: scid, on: interface) }

    /// The name of a channel for which the configuration has none.
    package static func name(of scid: SCID, on interface: String) -> String { "\(interface).c\(scid)" }

    /// The port that a channel is for which a station asks.
    package func port(_ scid: SCID) -> PortSettings {
        var port = overrides[scid] ?? template
        port.interface = name(of: scid)
        port.role = .bridge
        port.channel = ChannelPlace(uplink: interface, scid: scid)
        return port
    }
}
