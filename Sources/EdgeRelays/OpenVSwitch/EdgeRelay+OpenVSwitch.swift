internal import Dataplane
package import EVBSettings
package import EVBWire
internal import EdgeRelayMachine
internal import LinuxSystem
internal import Netlink
package import OVSDB
package import OpenVSwitch

// Whether an Open vSwitch has the port, and what follows from that.

/// The Open vSwitch that a port is in, as far as it is known.
package enum SwitchPlace: Equatable {
    /// In none.
    case none
    /// In this one.
    case known(SwitchPort)
    /// The kernel says that it is in one, whose database does not say so or cannot be asked.
    case unknown
    /// It may be in one whose datapath the kernel does not show, and the database cannot be asked.
    case possible
}

extension EdgeRelay {
    /// The link that vswitchd makes for datapaths of its own.
    package static let userspaceLink = "ovs-netdev"

    /// How much the port needs the database of an Open vSwitch.
    package func switchNeed(_ settings: OpenVSwitchSettings) -> OpenVSwitch.Need? {
        guard let port = table[portName] else { return nil }
        let master = port.masterIndex.flatMap { table[$0] }
        if master?.kind == "openvswitch" { return .certain }
        guard master == nil else { return nil }
        if settings.isMentioned || table[Self.userspaceLink] != nil { return .certain }
        return policy.edgeRelay == .veb ? .possible : nil
    }

    /// Where the port is.
    package var switchPlace: SwitchPlace {
        if let own = openVSwitch?.port(portName) { return .known(own) }
        guard let openVSwitch, let port = table[portName] else { return .none }
        let master = port.masterIndex.flatMap { table[$0] }
        if master?.kind == "openvswitch" { return .unknown }
        guard master == nil, let loss = openVSwitch.loss, let need = switchNeed(openVSwitch.settings) else {
            return .none
        }
        return loss.isAbsent && need == .possible ? .none : .possible
    }

    /// Whether machines' links on the port are taps of others, in a bridge: evbd makes none then.
    package var hasTaps: Bool {
        switch switchPlace {
        case .known, .unknown: true
        case .none: bridge != nil
        // Which of the two a link without a kind is to be is not known.
        case .possible: policy.edgeRelay == .veb && openVSwitch.map { switchNeed($0.settings) == .certain } ?? false
        }
    }

    /// The name of the Linux bridge or Open vSwitch that the port is in.
    package var hostSwitchName: String? {
        switch switchPlace {
        case .known(let own): own.bridge
        case .unknown: table[portName]?.masterIndex.flatMap { table[$0]?.name }
        case .none, .possible: bridge?.name
        }
    }

    /// The row of a VSI's link.
    package func switchPort(of vsiID: VSIID) -> SwitchPort? {
        guard let taps, taps.own != nil, let name = machine.slots[vsiID]?.actual.name else { return nil }
        return taps.row(of: name)
    }

    /// Joins the backend of an Open vSwitch's taps.
    func followSwitch() {
        guard let openVSwitch else { return }
        let taps = SwitchTaps(links, openVSwitch)
        self.taps = taps
        backends.insert(taps, at: 0)
        links.isInSwitch = { [weak taps] in taps?.row(of: $0.name) != nil }
        guests.isInSwitch = { [weak taps] in taps?.row(of: $0.name) != nil }
        links.switchConflict = { [weak self] in self?.switchConflict($0, $1) }
    }

    private func switchConflict(_ name: String, _ spec: LinkSpec) -> String? {
        guard let openVSwitch else { return nil }
        switch switchPlace {
        case .none: return nil
        case .known(let own):
            guard spec.origin == .created else { return nil }
            return
                "\(portName) is in the Open vSwitch bridge \(own.bridge), where a \(spec.kind ?? "link") on it would take "
                + "frames from the bridge or is refused by the kernel: name a tap that is in the bridge, or leave the link out"
        case .possible:
            return spec.origin == .created
                ? nil : lossWords(openVSwitch, "\(portName) may be in an Open vSwitch")
        case .unknown: return lossWords(openVSwitch, "\(portName) is in Open vSwitch")
        }
    }

    private func lossWords(_ openVSwitch: OpenVSwitch, _ place: String) -> String {
        guard let loss = openVSwitch.loss else {
            return "\(place), and its database at \(openVSwitch.settings.socket) "
                + (openVSwitch.isConnected
                    ? "does not have \(portName): set open-vswitch.socket to that of its database"
                    : "has not answered yet: try again in a moment")
        }
        return "\(place), and evbd cannot ask its database which taps are beside it: \(loss.reason): \(loss.remedy)"
    }

    /// The Open vSwitch says something else of a link, or of the port.
    package func switchChanged(_ name: String) {
        if name == portName {
            // What is beside the port may be a machine's now.
            guests.lookAtAll()
            portChanged()
        } else {
            linkChanged(name)
        }
    }

    /// A machine is about to join: its address is closed before its link is in the port's bridge.
    package func keepOut(_ address: MACAddress, link index: Int32) {
        gate.keepClosed([HardwareAddress(address.rawValue)], link: index, isUrgent: true)
    }

    /// A VSI may not send before it is associated: its link is to be down, also one that is not there yet.
    package func lower(_ vsiID: VSIID, _ demand: Demand, vid: UInt16?) {
        perform(machine.want(vsiID, .down(LinkSpec(demand), vlan: vid), self))
    }
}
