package import EVBProtocol
package import EVBSettings

/// What the VSIs of all ports take, so that each port is told what is left for it.
///
/// Used on the thread of the loop.
package final class ResourcePool {
    package var limits: ResourceLimits
    /// Ports that share the loop.
    package var portCount = 1
    private var uses: [String: ResourceUse] = [:]
    package private(set) var total = ResourceUse()
    /// Called with how many VSIs have come to a port, or gone from it.
    package var onVSIs: ((Int) -> Void)?

    /// A pool of which nothing is used.
    package init(limits: ResourceLimits) { self.limits = limits }

    /// What a port's VSIs may take in all.
    package func room(for port: String) -> ResourceRoom {
        let own = uses[port] ?? ResourceUse()
        return ResourceRoom(
            vsis: limits.vsis - (total.vsis - own.vsis),
            filterEntries: limits.filterEntries - (total.filterEntries - own.filterEntries))
    }

    /// Notes what a port's VSIs take now.
    package func set(_ use: ResourceUse, of port: String) {
        let former = uses[port] ?? ResourceUse()
        guard use != former else { return }
        total.vsis += use.vsis - former.vsis
        total.filterEntries += use.filterEntries - former.filterEntries
        uses[port] = use == ResourceUse() ? nil : use
        if use.vsis != former.vsis { onVSIs?(abs(use.vsis - former.vsis)) }
    }

    /// How much a limit allows.
    package func value(of limit: ResourceLimit) -> Int {
        switch limit {
        case .vsisPerPort: limits.vsisPerPort
        case .vsis: limits.vsis
        case .filterEntries: limits.filterEntries
        }
    }

    /// What a limit allows, as the object of a sentence.
    package func words(_ limit: ResourceLimit) -> String {
        switch limit {
        case .vsisPerPort: "\(limits.vsisPerPort) VSIs on one port"
        case .vsis: "\(limits.vsis) VSIs on all ports"
        case .filterEntries: "\(limits.filterEntries) filter entries on all ports"
        }
    }

    /// What an operator can do about a limit.
    package static func remedy(_ limit: ResourceLimit) -> String {
        "raise limits.\(limit.rawValue) in evbd.yaml, or de-associate VSIs"
    }
}
