internal import EVBSettings
internal import EVBWire
package import EdgeRelayMachine
internal import LinuxSystem
package import Netlink

// The machine's values and the kernel's, of macvtaps and macvlans and of the links that other processes make.

/// An adopted link, by which the next run of evbd finds it whatever its guest has made of its address.
package struct AdoptedLink: Equatable {
    package var name: String
    package var index: Int32

    package init(name: String, index: Int32) {
        self.name = name
        self.index = index
    }
}

extension RelayMode {
    package init(_ mode: MacvlanMode) {
        self =
            switch mode {
            case .vepa: .vepa
            case .bridge: .bridge
            case .private: .private
            case .passthru: .passthru
            case .source: .source
            }
    }
}

extension MacvlanMode {
    package init(_ mode: RelayMode) {
        self =
            switch mode {
            case .vepa: .vepa
            case .bridge: .bridge
            case .private: .private
            case .passthru: .passthru
            case .source: .source
            }
    }
}

extension LinkPolicy {
    package init(_ policy: RelayPolicy) {
        self.init(mode: RelayMode(policy.mode), isHeld: policy.isHeld, closesGate: policy.gate == .down)
    }
}

extension LinkSpec {
    package init(_ demand: EdgeRelay.Demand) {
        switch demand {
        case .make(let specification):
            self.init(
                .created, name: specification.name, addresses: [specification.address],
                mode: specification.mode.map { RelayMode($0) }, mtu: specification.mtu,
                kind: specification.kind.rawValue, sources: specification.sources,
                allmulticast: specification.allmulticast)
        case .find(let name, let addresses):
            self.init(
                .found, name: name,
                addresses: addresses.count == 1
                    ? LinkAddresses(bothFormsOf: addresses[0])
                    : LinkAddresses(addresses.flatMap { [$0, LinkAddresses.tapForm(of: $0)] }))
        case .function(let function):
            self.init(
                .assigned(number: function.number, priority: function.priority), name: function.name,
                addresses: [function.address])
        }
    }
}

extension NetlinkError {
    package init(_ failure: LinkFailure) {
        let kind: Kind =
            switch failure.kind {
            case .notFound, .noPort: .notFound
            case .exists: .exists
            case .cancelled: .cancelled
            case .unopened: .busy
            case .other: .other
            }
        // A name may have a colon, as vf:3 does.
        let separator = failure.text.utf8.range(of: ": ".utf8)
        self.init(
            operation: String(failure.text[..<(separator?.lowerBound ?? failure.text.endIndex)]), kind: kind,
            reason: separator.map { String(failure.text[$0.upperBound...]) } ?? "")
    }
}

extension LinkFailure {
    package init(_ error: NetlinkError) {
        let kind: Kind =
            switch error.kind {
            case .notFound: .notFound
            case .exists: .exists
            case .cancelled: .cancelled
            default: .other
            }
        self.init(kind, "\(error)")
    }
}
