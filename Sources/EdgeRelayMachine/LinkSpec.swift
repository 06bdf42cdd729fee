package import EVBWire

/// The link that a VSI is to have.
///
/// Nearly all are of other processes, and told by an address alone, those of tens of thousands of VSIs: what others have has memory of its
/// own.
package struct LinkSpec: Equatable, Sendable {
    package enum Origin: Equatable, Sendable {
        /// evbd creates it.
        case created
        /// Another process creates it. There need not be one.
        case found
        /// It is there with the port, as a virtual function of the port's card: evbd sets it for the VSI, and resets it in the end.
        /// A priority is that of its frames in the VLAN.
        case assigned(number: UInt32, priority: UInt8?)
    }

    /// What few links have, as those have it that are told by an address alone.
    private struct Details: Equatable {
        var name: String?
        var kind: String?
        var sources: [MACAddress] = []
        var origin = Origin.found
        var mode: RelayMode?
        var mtu: UInt32?
        var allmulticast = false
    }

    private enum KeptDetails: Equatable {
        case none
        indirect case some(Details)
    }

    private var kept = KeptDetails.none
    package var addresses: LinkAddresses

    package init(
        _ origin: Origin, name: String?, addresses: LinkAddresses = [], mode: RelayMode? = nil, mtu: UInt32? = nil,
        kind: String? = nil, sources: [MACAddress] = [], allmulticast: Bool = false
    ) {
        self.addresses = addresses
        details = Details(
            name: name, kind: kind, sources: sources, origin: origin, mode: mode, mtu: mtu, allmulticast: allmulticast)
    }

    /// Equal ones are kept alike.
    private var details: Details {
        get { if case .some(let details) = kept { details } else { Details() } }
        set { kept = newValue == Details() ? .none : .some(newValue) }
    }

    /// nil where any link with one of the addresses is meant.
    package var name: String? {
        get { if case .some(let details) = kept { details.name } else { nil } }
        set { details.name = newValue }
    }

    /// The kind of a created link, as its driver names it.
    package var kind: String? {
        get { if case .some(let details) = kept { details.kind } else { nil } }
        set { details.kind = newValue }
    }

    /// Whose frames a created link in mode source lets in.
    package var sources: [MACAddress] {
        get { if case .some(let details) = kept { details.sources } else { [] } }
        set { details.sources = newValue }
    }

    package var origin: Origin {
        get { if case .some(let details) = kept { details.origin } else { .found } }
        set { details.origin = newValue }
    }

    /// nil follows the edge relay.
    package var mode: RelayMode? {
        get { if case .some(let details) = kept { details.mode } else { nil } }
        set { details.mode = newValue }
    }

    /// nil follows the link below.
    package var mtu: UInt32? {
        get { if case .some(let details) = kept { details.mtu } else { nil } }
        set { details.mtu = newValue }
    }

    /// Whether a created link takes frames to all multicast groups.
    package var allmulticast: Bool {
        get { if case .some(let details) = kept { details.allmulticast } else { false } }
        set { details.allmulticast = newValue }
    }

    /// Whether a created link can become what another specification asks for while it is there.
    func isSameLink(as other: LinkSpec) -> Bool {
        guard addresses == other.addresses else { return false }
        guard kept != other.kept else { return true }
        var (own, others) = (details, other.details)
        (own.mode, own.mtu, others.mode, others.mtu) = (nil, nil, nil, nil)
        return own == others
    }
}
