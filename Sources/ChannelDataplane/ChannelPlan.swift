/// What an uplink's S-channels other than channel 1 are to be in the kernel.
package struct ChannelPlan: Equatable, Sendable {
    package enum Side: Sendable { case station, bridge }

    package struct Channel: Hashable, Sendable {
        /// The name of the channel's device.
        package var name: String
        /// The channel's number, from 2 on.
        package var scid: UInt16
        /// The VLAN of the channel's S-tags on the cable, 2 to 4094. Nil: none is given now; the device stays, and is down.
        package var svid: UInt16?
        /// Bridge side: the Linux bridge that the device is a port of. Nil: it is left where it is.
        package var bridge: String?

        package init(name: String, scid: UInt16, svid: UInt16?, bridge: String? = nil) {
            self.name = name
            self.scid = scid
            self.svid = svid
            self.bridge = bridge
        }
    }

    /// The most channels that are made, which is what CDCP has numbers for.
    package static let channelsMax = 167

    package var uplink: String
    /// Both sides have the same rules; logs say which it is.
    package var side: Side
    package var channels: [Channel]

    package init(uplink: String, side: Side, channels: [Channel] = []) {
        self.uplink = uplink
        self.side = side
        self.channels = channels
    }
}

/// Something of an uplink that is not as wanted, and stays so until it is cured.
package struct ChannelFailure: Equatable, Sendable {
    /// The name of the channel's device, or that of the uplink.
    package var subject: String
    /// What failed, and why.
    package var message: String
    /// What to do.
    package var hint: String

    package init(subject: String, message: String, hint: String) {
        self.subject = subject
        self.message = message
        self.hint = hint
    }
}
