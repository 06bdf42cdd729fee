public import JSON

/// Something about the daemon or a port that an operator should know, whichever VSI it is about.
public struct StatusNote: Codable, Sendable, Equatable {
    /// What it is about.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// libvirt cannot talk to evbd, because of the netlink port that libnl has drawn for it.
        case libvirtPort = "libvirt-port"
        /// VSIs of libvirt have no link on the host, so that evbd cannot notice the end of their machines.
        case vsiWithoutLink = "vsi-without-link"
        /// The configuration in force is not that of the file, which was refused.
        case reload
        /// A server gives no newer VSI types; those that it gave before stay.
        case vsiTypesOutdated = "vsi-types-outdated"
        /// A server has given no VSI types yet, so that VSIs of its manager are refused.
        case vsiTypesMissing = "vsi-types-missing"
    }

    /// What it is about.
    public var kind: Kind
    /// Whether it has to be put right.
    public var isProblem: Bool
    /// The port; nil where it is about the daemon.
    @Nullable public var port: String?
    /// For people: what is so.
    public var message: String
    /// For people: what to do about it.
    public var hint: String

    /// Makes a note.
    public init(kind: Kind, isProblem: Bool, port: String? = nil, message: String, hint: String) {
        self.kind = kind
        self.isProblem = isProblem
        self._port = Nullable(wrappedValue: port)
        self.message = message
        self.hint = hint
    }
}

extension PortProblem {
    /// The problem of which a note speaks; nil for a note of something that is in order.
    package init?(_ note: StatusNote) {
        guard note.isProblem else { return nil }
        let kind: Kind
        switch note.kind {
        case .libvirtPort: kind = .libvirtPort
        case .reload: kind = .reload
        case .vsiTypesOutdated: kind = .vsiTypesOutdated
        case .vsiTypesMissing: kind = .vsiTypesMissing
        case .vsiWithoutLink: return nil
        }
        self.init(kind: kind, port: note.port, message: note.message, hint: note.hint)
    }
}
