package import EVBPorts
internal import EVBProtocol
internal import EVBWire
internal import EventLoop

// VSIs that the run of evbd before this one had for libvirt.

extension LibvirtEndpoint {
    /// Knows the port's VSIs of the run before again: libvirt, which polls them no more, is told when the bridge drops one.
    package func resume(_ port: any StationPortControl) {
        for (request, eventPort, isGranted) in port.restoredForLibvirt {
            serve(root(of: port)).ledger.resume(
                LibvirtRequest.PortProfile(request, placement: port.managerIDPlacement), eventPort: eventPort,
                isGranted: isGranted, at: timers.now)
        }
    }
}

extension LibvirtRequest.PortProfile {
    /// What libvirt had asked for, from what was made of it.
    init(_ request: EVBProtocol.VSIRequest, placement: VSIManagerID.Placement) {
        let entry = request.filter.entries.first
        let octets = request.managerID.octets
        let operation: LibvirtRequest.Operation =
            switch request.target {
            case .preAssociated: .preAssociate
            case .preAssociatedWithReservation: .preAssociateWithReservation
            case .associated: .associate
            }
        self.init(
            macAddress: entry?.macAddress, vlan: entry?.vid ?? 0, priority: entry?.pcp ?? 0,
            managerID: (placement == .first ? octets.first : octets.last) ?? 0, typeID: request.typeID,
            typeVersion: request.typeVersion, instance: request.vsiID, operation: operation)
    }
}
