internal import Dataplane
package import EVBWire
package import EdgeRelayMachine
internal import LinuxSystem
internal import Netlink
internal import OVSDB
internal import OpenVSwitch

/// The taps of a port's VSIs in the Open vSwitch that the port is in.
///
/// Which links share a bridge, and whose a tap is, is what the database says. The operations are those on other links of the host: a tap is
/// gated by its link's state, which Open vSwitch leaves alone.
package final class SwitchTaps: LinkBackend {
    private let links: HostLinks
    private let openVSwitch: OpenVSwitch

    init(_ links: HostLinks, _ openVSwitch: OpenVSwitch) {
        self.links = links
        self.openVSwitch = openVSwitch
    }

    package let operations: Set<LinkOperation.Kind> = [.look, .locate, .installFilter, .openAddresses, .setUp]

    package func serves(_ origin: LinkSpec.Origin) -> Bool { origin == .found && own != nil }

    /// The port's row.
    var own: SwitchPort? { openVSwitch.port(links.portName) }

    /// The row of a link that is in the port's bridge, and is neither the port, another of evbd's, nor the bridge's own.
    func row(of name: String) -> SwitchPort? {
        guard let own, let row = openVSwitch.port(name), row.bridge == own.bridge, name != own.name, name != own.bridge,
            !links.isPort(name)
        else { return nil }
        return row
    }

    package func conflict(_ spec: LinkSpec, of vsiID: VSIID, in slot: LinkSlot?, holder: VSIID?) -> String? {
        guard let name = spec.name, let own else { return nil }
        if let holder, holder != vsiID { return "the link \(name) belongs to VSI \(holder): choose another" }
        guard links.table[name] != nil else {
            return
                "there is no link \(name), and none can be made: \(links.portName) is in the Open vSwitch bridge \(own.bridge)"
        }
        guard row(of: name) != nil else {
            return "\(name) is not in the Open vSwitch bridge \(own.bridge) of \(links.portName): put it there "
                + "(ovs-vsctl add-port \(own.bridge) \(name)), or leave the link out"
        }
        return nil
    }

    package func candidate(
        for vsiID: VSIID, _ spec: LinkSpec, vlan: UInt16?, except discarded: Int32?, holder: (String) -> VSIID?
    ) -> LinkCandidate? {
        if spec.name == nil {
            // The machine's address is the key; the tap has another one.
            for address in spec.addresses {
                for port in openVSwitch.table.ports(of: address) where row(of: port.name) != nil {
                    guard let link = links.table[port.name], link.index != discarded,
                        links.isPlacedForGuest(link, vlan), holder(link.name) ?? vsiID == vsiID
                    else { continue }
                    return LinkCandidate(links.value(link), .adopted)
                }
            }
        }
        return links.candidate(for: vsiID, spec, vlan: vlan, except: discarded, holder: holder)
    }

    package func begin(_ vsiID: VSIID, _ operation: LinkOperation, completion: @escaping (LinkResult) -> Void) {
        links.begin(vsiID, operation, completion: completion)
    }
}
