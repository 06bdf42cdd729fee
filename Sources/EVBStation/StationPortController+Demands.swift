package import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBSettings
internal import EVBWire
internal import EdgeRelays
internal import Netlink

// What a manager's wish for a link means on this port.

extension StationPortController {
    /// What the relay is asked for.
    ///
    /// - Throws: `unusableLink`, with what to do.
    func demand(_ link: LinkRequest, for request: EVBProtocol.VSIRequest) throws(RequestRefusal) -> EdgeRelay.Demand {
        let addresses = request.filter.entries.compactMap(\.macAddress)
        let demand: EdgeRelay.Demand
        if let number = VirtualFunctions.Demand.number(in: link.name) {
            guard link.kind == nil, link.mode == nil, link.mtu == nil, link.allmulticast == nil else {
                throw .unusableLink(
                    "\(link.name) takes no kind, mode, MTU or allmulticast",
                    remedy: "leave --link-kind, --link-mode, --link-mtu and --link-allmulticast out")
            }
            demand = .function(
                VirtualFunctions.Demand(
                    number: number, address: try Self.address(for: link, addresses),
                    priority: request.filter.entries.lazy.compactMap(\.pcp).first))
        } else if link.kind == nil, link.mode == nil, relay.hasTaps {
            demand = .find(name: link.name, addresses: addresses)
        } else {
            demand = .make(
                EdgeRelay.Specification(
                    name: link.name, kind: link.kind == .macvlan ? .macvlan : .macvtap,
                    mode: link.mode.map { MacvlanMode($0) }, address: try Self.address(for: link, addresses),
                    mtu: link.mtu.map { UInt32(clamping: $0) }, sources: link.sources,
                    allmulticast: link.allmulticast ?? configuration.allmulticast))
        }
        if let conflict = relay.conflict(demand, for: request.vsiID) {
            throw .unusableLink(conflict, remedy: "see evbctl vsi list and ip -d link")
        }
        return demand
    }

    private static func address(for link: LinkRequest, _ addresses: [MACAddress]) throws(RequestRefusal) -> MACAddress {
        guard let address = addresses.first else {
            throw .unusableLink(
                "the link \(link.name) needs a MAC address",
                remedy: "give one in the filter, as in --filter mac=52:54:00:00:00:01")
        }
        return address
    }
}

extension MacvlanMode {
    /// The mode that a manager names.
    package init(_ mode: LinkMode) {
        switch mode {
        case .vepa: self = .vepa
        case .bridge: self = .bridge
        case .private: self = .private
        case .passthru: self = .passthru
        case .source: self = .source
        }
    }
}
