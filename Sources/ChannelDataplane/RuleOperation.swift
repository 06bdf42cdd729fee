internal import Dataplane
internal import Netlink

/// Reads or changes the rules of an uplink. A change begins with a reading, so that it is made to what stands by then.
enum RuleOperation: KernelOperation, Equatable {
    case read(index: Int32)
    case install(index: Int32, UplinkRules)
    case remove(index: Int32)

    /// The socket, opened when the first operation needs it.
    final class Context {
        private var control: TrafficControl?

        init() {}

        func open() throws(NetlinkError) -> TrafficControl {
            if let control { return control }
            let control = try TrafficControl()
            self.control = control
            return control
        }
    }

    static func makeContext() -> Context { Context() }

    var kind: String {
        switch self {
        case .read: "read uplink rules"
        case .install: "install uplink rules"
        case .remove: "remove uplink rules"
        }
    }

    /// - Returns: What stands at the uplink after the operation.
    func perform(in context: Context) -> Result<TrafficListing, NetlinkError> {
        Result { () throws(NetlinkError) in
            let control = try context.open()
            switch self {
            case .read(let index): return try Self.read(index, control)
            case .install(let index, let rules):
                let listing = try control.listing(index: index)
                if case .other(let kind) = listing.discipline {
                    throw NetlinkError(
                        operation: "add a clsact discipline", kind: .exists,
                        reason: "The interface has discipline \(kind)")
                }
                return try Self.make(rules.changes(from: listing), index, listing, control)
            case .remove(let index):
                let listing = try control.listing(index: index)
                return try Self.make(UplinkRules.removal(from: listing), index, listing, control)
            }
        }
    }

    private static func make(
        _ changes: [UplinkRules.Change], _ index: Int32, _ listing: TrafficListing, _ control: TrafficControl
    ) throws(NetlinkError) -> TrafficListing {
        for change in changes {
            switch change {
            case .addDiscipline: try control.addDiscipline(index: index)
            case .put(let filter): try control.put(filter, index: index)
            case .remove(let filter): try control.remove(filter, index: index)
            case .removeDiscipline: try control.removeDiscipline(index: index)
            }
        }
        return changes.isEmpty ? listing : try read(index, control)
    }

    /// Where there is a filter there is a discipline; another one than clsact is found when rules are to be installed.
    private static func read(_ index: Int32, _ control: TrafficControl) throws(NetlinkError) -> TrafficListing {
        let filters = try control.filters(index: index)
        return TrafficListing(discipline: filters.isEmpty ? .none : .clsact, filters: filters)
    }

    static func problem(in answer: Result<TrafficListing, NetlinkError>) -> String? {
        if case .failure(let error) = answer { "\(error)" } else { nil }
    }
}
