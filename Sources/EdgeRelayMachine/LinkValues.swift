package import EVBWire

// What the machine knows of links. A driver maps the kernel's links to these values and back.

/// How a link treats frames between its siblings.
package enum RelayMode: String, Sendable, CaseIterable {
    case `private`
    case vepa
    case bridge
    case passthru
    case source
}

/// A link as the kernel has it.
package struct KernelLink: Equatable, Sendable {
    package var index: Int32
    package var name: String
    /// As its driver names it.
    package var kind: String?
    /// nil for links that have no modes.
    package var mode: RelayMode?
    /// Octets of the greatest payload.
    package var mtu: UInt32
    /// The same of the link below; nil if there is none, or it is not known.
    package var lowerMTU: UInt32?
    package var isUp: Bool
    /// The host's own IP is kept off the link.
    package var isKeptFromHost: Bool

    package init(
        index: Int32, name: String, kind: String? = nil, mode: RelayMode? = nil, mtu: UInt32 = 1500,
        lowerMTU: UInt32? = nil,
        isUp: Bool = false, isKeptFromHost: Bool = true
    ) {
        self.index = index
        self.name = name
        self.kind = kind
        self.mode = mode
        self.mtu = mtu
        self.lowerMTU = lowerMTU
        self.isUp = isUp
        self.isKeptFromHost = isKeptFromHost
    }
}

/// The link that a VSI is to have.
package struct LinkSpec: Equatable, Sendable {
    package enum Origin: Sendable {
        /// evbd creates it.
        case created
        /// Another process creates it. There need not be one.
        case found
    }

    package var origin: Origin
    /// nil where any link with one of the addresses is meant.
    package var name: String?
    package var addresses: [MACAddress]
    /// nil follows the edge relay.
    package var mode: RelayMode?
    /// nil follows the link below.
    package var mtu: UInt32?
    /// The kind of a created link, as its driver names it.
    package var kind: String?
    /// Whose frames a created link in mode source lets in.
    package var sources: [MACAddress]
    /// Whether a created link takes frames to all multicast groups.
    package var allmulticast: Bool

    package init(
        _ origin: Origin, name: String?, addresses: [MACAddress] = [], mode: RelayMode? = nil, mtu: UInt32? = nil,
        kind: String? = nil, sources: [MACAddress] = [], allmulticast: Bool = false
    ) {
        self.origin = origin
        self.name = name
        self.addresses = addresses
        self.mode = mode
        self.mtu = mtu
        self.kind = kind
        self.sources = sources
        self.allmulticast = allmulticast
    }

    /// Whether a created link can become what another specification asks for while it is there.
    func isSameLink(as other: LinkSpec) -> Bool {
        var same = other
        (same.mode, same.mtu) = (mode, mtu)
        return same == self
    }
}

/// What configuration and bridge make of the links of one port.
package struct LinkPolicy: Equatable, Sendable {
    /// The mode of links that follow the edge relay.
    package var mode: RelayMode
    /// Links that follow the edge relay pass nothing for now.
    package var isHeld: Bool
    /// A link is down while its VSI is not associated.
    package var closesGate: Bool

    package init(mode: RelayMode, isHeld: Bool, closesGate: Bool) {
        self.mode = mode
        self.isHeld = isHeld
        self.closesGate = closesGate
    }
}

/// Why an operation failed.
package struct LinkFailure: Error, Equatable, Sendable {
    /// The failures that the machine tells apart.
    package enum Kind: Sendable {
        case notFound
        case exists
        /// evbd is stopping.
        case cancelled
        /// The guest filter does not let the VSI's frames pass. evbd goes on trying.
        case unopened
        case other
    }

    package var kind: Kind
    /// For people.
    package var text: String

    package init(_ kind: Kind, _ text: String) {
        self.kind = kind
        self.text = text
    }
}

/// A link that can become a VSI's.
package struct LinkCandidate: Equatable, Sendable {
    package var link: KernelLink
    package var ownership: Ownership
    /// The link can become what is asked for while it is there.
    package var isFitting: Bool
    /// Other links that evbd has created for the VSI, which came back after it was given up.
    package var twins: [KernelLink]

    package init(
        _ link: KernelLink, _ ownership: Ownership, isFitting: Bool = true, twins: [KernelLink] = []
    ) {
        self.twins = twins
        self.link = link
        self.ownership = ownership
        self.isFitting = isFitting
    }
}

/// What a driver answers. Its answers may be older than the results of operations.
package protocol LinkView {
    /// Whether the port is there.
    var hasPort: Bool { get }
    func link(at index: Int32) -> KernelLink?
    /// Whether the link that had this index is in another network namespace.
    func hasLeft(_ index: Int32) -> Bool
    /// The link that is there for a VSI.
    ///
    /// - Parameters:
    ///   - vsiID: The VSI.
    ///   - spec: What link it is to have.
    ///   - vlan: The VLAN that all of its frames belong to, if it is one.
    ///   - discarded: The index of a link that is gone, though the view may have it still.
    ///   - holder: The VSI that has a link of that name.
    /// - Returns: The link; nil if there is none.
    func candidate(
        for vsiID: VSIID, _ spec: LinkSpec, vlan: UInt16?, except discarded: Int32?, holder: (String) -> VSIID?
    ) -> LinkCandidate?
    /// What the guest filter lets pass of a VSI.
    func filter(of vsiID: VSIID, at link: KernelLink?) -> FilterState
    /// Whether a VSI is known, with a link or without.
    func isWanted(_ vsiID: VSIID) -> Bool
}
