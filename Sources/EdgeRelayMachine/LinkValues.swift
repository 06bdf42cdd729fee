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

/// What is changed in place about an assigned link, in one request. In a request nil leaves a thing as it is; of a link it is not known.
package struct LinkSettings: Equatable, Sendable {
    /// Whether the link passes frames.
    package enum State: Sendable, CaseIterable {
        /// As the link of the card.
        case auto
        case disabled
    }

    package var address: MACAddress?
    /// The VLAN that the card puts on and takes off; 0 for none.
    package var vlan: UInt16?
    /// The priority of its frames in the VLAN. Of use with `vlan` only.
    package var priority: UInt8 = 0
    /// Whether frames from other addresses than its own are dropped.
    package var spoofCheck: Bool?
    package var state: State?

    /// Nothing is known.
    package init() {}

    /// What a link has that no VSI has. It is always the same, not what was before, so that it is right after a crash too.
    package static let reset: LinkSettings = {
        var settings = LinkSettings()
        settings.address = MACAddress(truncating: 0)
        settings.vlan = 0
        settings.spoofCheck = true
        settings.state = .auto
        return settings
    }()

    /// What has to change where the link has other settings; nil where it has these.
    ///
    /// What stays is not set again: some cards reset a function whose address or VLAN is set.
    func changes(from current: LinkSettings) -> LinkSettings? {
        guard self != current else { return nil }
        var change = self
        if address == current.address { change.address = nil }
        if vlan == current.vlan, priority == current.priority { change.vlan = nil }
        if spoofCheck == current.spoofCheck { change.spoofCheck = nil }
        if state == current.state { change.state = nil }
        return change
    }

    /// What is still known after a change that may have been made in part.
    func without(_ change: LinkSettings) -> LinkSettings {
        var settings = self
        if change.address != nil { settings.address = nil }
        if change.vlan != nil { (settings.vlan, settings.priority) = (nil, 0) }
        if change.spoofCheck != nil { settings.spoofCheck = nil }
        if change.state != nil { settings.state = nil }
        return settings
    }

    /// The same after a change.
    func with(_ change: LinkSettings) -> LinkSettings {
        var settings = self
        settings.address = change.address ?? address
        if let vlan = change.vlan { (settings.vlan, settings.priority) = (vlan, change.priority) }
        settings.spoofCheck = change.spoofCheck ?? spoofCheck
        settings.state = change.state ?? state
        return settings
    }
}

/// A link as the kernel has it.
package struct KernelLink: Equatable, Sendable {
    /// 0 of an assigned link, which is no link of the host.
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
    /// Of an assigned link.
    package var settings: LinkSettings?

    package init(
        index: Int32, name: String, kind: String? = nil, mode: RelayMode? = nil, mtu: UInt32 = 1500,
        lowerMTU: UInt32? = nil,
        isUp: Bool = false, isKeptFromHost: Bool = true, settings: LinkSettings? = nil
    ) {
        self.index = index
        self.name = name
        self.kind = kind
        self.mode = mode
        self.mtu = mtu
        self.lowerMTU = lowerMTU
        self.isUp = isUp
        self.isKeptFromHost = isKeptFromHost
        self.settings = settings
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
        /// The port is not there, and nothing was tried.
        case noPort
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
