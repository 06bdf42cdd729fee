package import EVBModel
package import EVBProtocol
package import EVBWire
package import LinuxSystem

// What managers ask of ports, and what ports tell.

/// Which front door asked for a VSI.
package enum RequestOwner: Equatable {
    /// A client on the control socket.
    case control
    /// A libvirtd, by netlink. It waits for events about the VSI at `eventPort`, a netlink port.
    case libvirt(eventPort: UInt32)
    /// evbd itself, for a tap that no manager speaks for.
    indirect case tap(TapSource)
    /// evbd itself, to find out what the bridge can do. Nothing of it outlives this evbd.
    case probe
}

/// What has made evbd ask for a tap.
package enum TapSource: Equatable, Sendable, CustomStringConvertible {
    /// A row of an Open vSwitch, by its port-profile.
    case ovsdb
    /// A rule of the configuration, by its name.
    case rule(String)

    package var description: String {
        switch self {
        case .ovsdb: "ovsdb"
        case .rule(let name): "rule \(name)"
        }
    }

    /// Reads what `description` says.
    package init?(_ text: String) {
        if text == "ovsdb" {
            self = .ovsdb
        } else if text.hasPrefix("rule "), text.utf8.count > 5 {
            self = .rule(String(text.dropFirst(5)))
        } else {
            return nil
        }
    }
}

/// Called once with the end of a request.
package typealias RequestWaiter = (RequestEnding) -> Void

/// How a request ended, the link included.
package enum RequestEnding {
    case outcome(RequestOutcome)
    /// The bridge granted the request, and the link could not be made.
    case linkFailed(link: String, cause: String)
}

/// Why a port does not take a request.
package enum RequestRefusal: Error {
    /// It cannot be asked of any bridge, or not now.
    case unfit(VSIRequestError)
    /// The link that is wanted cannot be had on this port; with what to do.
    case unusableLink(String, remedy: String)
    /// It cannot be stored, and a restart of evbd would lose it.
    case unstored(SystemError)
}

/// Something that happened on a port, for those who follow it.
package struct PortNews {
    package var kind: ControlEvent.Kind
    package var vsiID: VSIID?
    package var from: String?
    package var to: String?
    package var reason: String?
    private let text: () -> String
    package var message: String { text() }

    package init(
        kind: ControlEvent.Kind, vsiID: VSIID? = nil, from: String? = nil, to: String? = nil, reason: String? = nil,
        message: String
    ) {
        self.init(kind: kind, vsiID: vsiID, from: from, to: to, reason: reason) { message }
    }

    /// News of which there may be thousands at once: the text is written only for those who follow.
    package init(
        kind: ControlEvent.Kind, vsiID: VSIID?, from: String?, to: String?, reason: String?,
        text: @escaping () -> String
    ) {
        self.kind = kind
        self.vsiID = vsiID
        self.from = from
        self.to = to
        self.reason = reason
        self.text = text
    }
}

/// The link that a manager wants for a VSI.
package struct LinkRequest {
    /// The interface's name, or `vf:` and the number of a virtual function.
    package var name: String
    /// nil leaves the kind to the port.
    package var kind: LinkKind?
    /// nil leaves the mode to what the bridge grants.
    package var mode: LinkMode?
    /// In octets; nil leaves it to the kernel.
    package var mtu: Int?
    /// The addresses that a link in the mode `source` takes frames from.
    package var sources: [MACAddress] = []
    /// Whether the link takes frames to all multicast groups; nil leaves that to the port's settings.
    package var allmulticast: Bool?

    package init(
        name: String, kind: LinkKind? = nil, mode: LinkMode? = nil, mtu: Int? = nil, sources: [MACAddress] = [],
        allmulticast: Bool? = nil
    ) {
        self.name = name
        self.kind = kind
        self.mode = mode
        self.mtu = mtu
        self.sources = sources
        self.allmulticast = allmulticast
    }
}
