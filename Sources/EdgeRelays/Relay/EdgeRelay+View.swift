internal import Dataplane
package import EVBWire
package import EdgeRelayMachine
internal import Netlink

// What the machine asks. None of these may ask the machine, which is changing meanwhile.

extension EdgeRelay: LinkView {
    package var hasPort: Bool { table[portName] != nil }

    package func link(at index: Int32) -> KernelLink? { table[index].map(links.value) }

    package func hasLeft(_ index: Int32) -> Bool { table[index] == nil && table.isElsewhere(index) }

    package func filter(of vsiID: VSIID, at link: KernelLink?) -> FilterState {
        if let link {
            // One that the table does not have yet has no rules yet either.
            guard let known = table[link.index], guests.isSecured(known) else { return .missing }
        }
        return gate.isOpen(vsiID) ? .open : .closed
    }

    package func isWanted(_ vsiID: VSIID) -> Bool { isKnown(vsiID) }

    package func candidate(
        for vsiID: VSIID, _ spec: LinkSpec, vlan: UInt16?, except discarded: Int32?, holder: (String) -> VSIID?
    ) -> LinkCandidate? {
        backend(of: spec.origin).candidate(for: vsiID, spec, vlan: vlan, except: discarded, holder: holder)
    }
}
