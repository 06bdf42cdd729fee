internal import BridgeDataplane
internal import Dataplane
package import EVBModel
internal import EVBSettings
package import EVBWire

/// Virtual networks of VSIs, and what is wrong with the VXLAN devices that carry them.
extension TypedAdmission {
    /// Has the enforcer know what the port's file says of the VXLAN network.
    func setOverlay(_ port: Port, _ name: String) {
        guard port.database.overlay != nil || port.hasSetOverlay else { return }
        port.hasSetOverlay = true
        let operation = BridgeOperation.overlay(name, port.database.overlay)
        _ = programmer.perform(operation, of: name) { [weak self, weak port] answer in
            guard let self, let port, ports[name] === port, case .overlay(let problems)? = answer else { return }
            noteOverlay(problems, port, name)
        }
    }

    func noteOverlay(_ problems: [OverlayProblem], _ port: Port, _ name: String) {
        guard port.overlayProblems != problems else { return }
        port.overlayProblems = problems
        onOverlay?(name)
    }

    package func problems(on port: String) -> [PortProblem] {
        // One of each kind: the book of problems tells those of a kind apart by VSI alone.
        var seen: Set<Bool> = []
        return (ports[port]?.overlayProblems ?? []).filter { seen.insert($0.isOfMTU).inserted }.map {
            PortProblem(kind: $0.isOfMTU ? .overlayMTU : .overlay, message: $0.message, hint: $0.hint)
        }
    }

    package func vni(of entry: FilterEntry, _ vsiID: VSIID, on port: String) -> UInt32? {
        ports[port]?.held[vsiID]?.type.vni(of: entry)
    }
}

extension VSIType {
    /// The virtual network of each VLAN of a filter that has one.
    func networks(of filter: FilterInfo) -> [UInt16: UInt32] {
        var networks: [UInt16: UInt32] = [:]
        for entry in filter.entries where entry.vid != 0 {
            if let vni = vni(of: entry) { networks[entry.vid] = vni }
        }
        return networks
    }
}
