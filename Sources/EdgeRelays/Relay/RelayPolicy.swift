package import EVBSettings
internal import EVBWire
package import LinuxSystem
package import Netlink

/// What configuration and bridge make of the links of one port.
package struct RelayPolicy: Equatable {
    /// What relays between the machines.
    package var edgeRelay: PortSettings.EdgeRelay
    /// What a VEPA's links do while the bridge does not reflect.
    package var fallback: PortSettings.Fallback
    /// What keeps the frames of a VSI that is not associated from the wire.
    package var gate: PortSettings.Gate
    /// Whether the switch inside of the card follows.
    var cardSwitch: PortSettings.CardSwitch
    /// Whether machines are kept from LLDP and ECP.
    var filtersGuests: Bool
    /// The group address beyond the standards' at which switch and host speak; nil is none.
    package var groupAddress: HardwareAddress?
    /// Reflective relay was asked for and is granted.
    package var isReflected = false

    package init(_ configuration: PortSettings, isReflected: Bool) {
        edgeRelay = configuration.edgeRelay
        fallback = configuration.fallback
        gate = configuration.gate
        cardSwitch = configuration.cardSwitch
        filtersGuests = configuration.guestFilter
        groupAddress = (configuration.groupAddress ?? configuration.peerAddress).map { HardwareAddress($0.rawValue) }
        self.isReflected = isReflected
    }

    /// The mode of links whose manager named none.
    ///
    /// Links that are held are in mode vepa, so that none passes a frame by the switch in the moment in which it comes
    /// up.
    package var mode: MacvlanMode {
        switch (edgeRelay, fallback) {
        case (.veb, _): .bridge
        case (.direct, _): .passthru
        case (.vepa, .bridge) where !isReflected: .bridge
        case (.vepa, _): .vepa
        }
    }

    /// Links that follow the edge relay pass nothing for now.
    package var isHeld: Bool { edgeRelay == .vepa && fallback == .hold && !isReflected }
}
