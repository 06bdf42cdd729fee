internal import Dataplane
package import EVBWire
internal import EdgeRelayMachine
internal import Netlink

extension EdgeRelay {
    /// Where a frame of a VSI's machine can be sent as if the machine had sent it.
    package struct Path: Equatable {
        /// The interface: the link of the machine, or the port.
        package var index: Int32
        /// The VLAN whose device the link is on, which tags what leaves by it.
        package var taggedBelow: UInt16?

        /// The tag of a frame that is to be in a VLAN on the wire.
        ///
        /// - Returns: 0 for a frame without one; nil where this path leads to no such frame.
        package func tag(of vid: UInt16) -> UInt16? {
            guard let taggedBelow else { return vid }
            return vid == 0 || vid == taggedBelow ? 0 : nil
        }
    }

    /// The VSI that has a link of that name.
    package func holder(of name: String) -> VSIID? { machine.holder(of: name) }

    /// The way of a VSI's frames; nil while its link is down, where it has none, and for a virtual function, whose frames the card
    /// relays.
    ///
    /// A tap in a bridge takes what the host sends on it to its machine, and a link in another network namespace is out of reach: there
    /// it is the port.
    package func path(of vsiID: VSIID) -> Path? {
        // As nearly all, where other processes make the links: there is none that is known here.
        guard let slot = machine.slots[vsiID], !slot.actual.isNone, let port = table[portName] else { return nil }
        switch slot.actual {
        case .here(let known, _, _, _):
            guard let link = table[known.index], link.isUp else { return nil }
            guard link.macvlanMode != nil else { return Path(index: port.index) }
            let below = link.parentIndex.flatMap { table[$0] }
            return Path(index: link.index, taggedBelow: below?.vlanID)
        case .inOtherNamespace: return Path(index: port.index)
        case .none, .missing, .unusable: return nil
        }
    }
}
