internal import ControlServer
internal import EVBBridge
internal import EVBSettings
internal import Netlink

// VSI types that come from servers.

extension Daemon {
    /// Goes on with the copies of an earlier run, and follows what servers give.
    func followTypes() {
        typeServers.onTypes = { [weak self] fresh in
            guard let self else { return }
            configuration.vsiTypes = fresh.vsiTypes
            configuration.typeHoldings = fresh.typeHoldings
            configureTypes(of: allPorts(of: configuration))
        }
        typeServers.onNotes = { [weak self] in self?.service?.daemonMayHaveChanged() }
        service?.typeServers = typeServers
        typeServers.follow(configuration)
    }

    /// Has ports decide by the VSI types in force; what these do not allow any more is de-associated.
    func configureTypes(of ports: [PortSettings]) {
        for settings in ports where self.ports.runningPort(settings.interface) != nil {
            if let database = settings.vsiTypes.flatMap({ configuration.vsiTypes[$0] }) {
                types.configure(settings.interface, database)
            }
        }
    }
}
