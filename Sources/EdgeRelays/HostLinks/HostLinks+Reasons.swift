internal import Dataplane
internal import EVBWire
internal import EdgeRelayMachine
internal import LinuxSystem
internal import Netlink

// Why the kernel refuses a link, where it says no more than "Object exists" or "Invalid input data or parameter".

extension HostLinks {
    /// An error of the kernel with the reason that the other links show.
    func explained(_ error: NetlinkError, of operation: LinkOperation) -> LinkFailure {
        var failure = LinkFailure(error)
        if let reason = reason(of: error, operation) { failure.text += ": \(reason)" }
        return failure
    }

    private func reason(of error: NetlinkError, _ operation: LinkOperation) -> String? {
        guard let port = table[portName] else { return nil }
        switch operation {
        case .setUp(let index, true): return error.kind == .notFound ? nil : addressHolder(index, on: port)
        case .create(let spec, let vlan, let mode):
            guard error.kind == .invalid || error.kind == .busy else { return nil }
            if let mtu = spec.mtu, mtu > port.mtu { return Self.tooLarge(mtu, port) }
            let below = vlan.flatMap { vlanDevice($0, on: port)?.index } ?? port.index
            return loner(spec.mode ?? mode, on: below)
        case .setMTU(_, let mtu): return mtu > port.mtu ? Self.tooLarge(mtu, port) : nil
        case .setMode(_, let mode): return loner(mode, on: port.index)
        default: return nil
        }
    }

    private static func tooLarge(_ mtu: UInt32, _ port: Link) -> String {
        "the MTU \(mtu) is above the \(port.mtu) of \(port.name): give a smaller one, or raise that of \(port.name)"
    }

    /// Two links on one port cannot have one address, or that of the port, and be up.
    private func addressHolder(_ index: Int32, on port: Link) -> String? {
        guard let link = table.first(where: { $0.index == index }), let address = link.address else { return nil }
        let below = link.parentIndex ?? port.index
        let holder = table.first { other in
            other.index != index && other.address == address && other.isUp
                && (other.parentIndex == below || other.index == below)
        }
        guard let holder else { return nil }
        return "its address \(address) is that of \(shown(holder)) already: give one of them another address"
    }

    /// A link in mode passthru has the port for itself.
    private func loner(_ mode: RelayMode, on below: Int32) -> String? {
        let others = table.all { $0.parentIndex == below && $0.macvlanMode != nil }
        if mode == .passthru, let other = others.first {
            return
                "mode passthru wants \(portName) for itself, and \(shown(other)) is on it: choose another mode, or end that"
        }
        guard let other = others.first(where: { $0.macvlanMode == .passthru }) else { return nil }
        return "\(shown(other)) is in mode passthru and has \(portName) for itself: end it, or change its mode"
    }

    /// A link, with the VSI whose it is.
    private func shown(_ link: Link) -> String {
        holder(link.name).map { "\(link.name) of VSI \($0)" } ?? link.name
    }
}
