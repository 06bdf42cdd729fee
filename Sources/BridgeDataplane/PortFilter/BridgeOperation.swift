internal import Dataplane

/// What is to be put into force at bridge ports.
package enum BridgeOperation: KernelOperation {
    /// Takes a port over.
    case attach(String)
    /// Gives a port up.
    case detach(String)
    /// Takes back what an evbd before this one has left on other ports than these.
    case removeLeftovers(keeping: Set<String>)
    /// Changes the claims on a port.
    case change(String, [ClaimChange])
    /// Sets the rules of all ports up again.
    case restoreRules
    /// Compares what a port is to have with what the kernel has, and puts back what is missing.
    case compare(String, Comparison)
    /// Takes over what is set of the VXLAN network behind a port.
    case overlay(String, PortOverlay?, ledger: String)
    /// Makes the tables of VXLAN devices have what is set of other boxes.
    case tables(ledger: String, endsInheritance: Bool)

    /// What comes of an operation.
    package enum Answer: Sendable {
        case done
        case failed(EnforcementError)
        /// A port was taken over; it may have something in force from an earlier run. Where the bridge has a VXLAN port, these of
        /// its ports learn, besides those of evbd.
        case attached(hasInherited: Bool, learningPorts: [String]? = nil)
        case changed(BridgeEnforcer.Outcome)
        /// The rules are there; the whole table may have been missing.
        case restored(wereMissing: Bool)
        case compared(Repair)
        /// What is wrong with the VXLAN network behind a port.
        case overlay([OverlayProblem])
        /// What became of the tables of VXLAN devices.
        case tables(TablesReport)
    }

    package static func makeContext() -> BridgeEnforcer { BridgeEnforcer() }

    package var kind: String {
        switch self {
        case .attach: "attach bridge port"
        case .detach: "detach bridge port"
        case .removeLeftovers: "remove leftovers at bridge ports"
        case .change: "change claims at bridge port"
        case .restoreRules: "restore rules of bridge ports"
        case .compare: "compare bridge port"
        case .overlay: "set overlay of bridge port"
        case .tables: "follow tables of VXLAN devices"
        }
    }

    package func perform(in enforcer: BridgeEnforcer) -> Answer {
        do throws(EnforcementError) {
            switch self {
            case .attach(let name):
                let hasInherited = try enforcer.attach(name)
                return .attached(hasInherited: hasInherited, learningPorts: enforcer.learningPorts(besides: name))
            case .detach(let name): try enforcer.detach(name)
            case .removeLeftovers(let names): enforcer.removeLeftovers(keeping: names)
            case .change(let name, let changes): return .changed(enforcer.change(name, changes))
            case .restoreRules: return .restored(wereMissing: try enforcer.restoreRules())
            case .overlay(let name, let overlay, let ledger):
                enforcer.setLedger(ledger)
                return .overlay(enforcer.setOverlay(name, overlay))
            case .tables(let ledger, let ends):
                enforcer.setLedger(ledger)
                enforcer.forgetFabric()
                return .tables(enforcer.followTables(endsInheritance: ends))
            case .compare(let name, let comparison): return .compared(enforcer.compare(name, comparison))
            }
            return .done
        } catch {
            return .failed(error)
        }
    }

    package static func problem(in answer: Answer) -> String? {
        switch answer {
        case .failed(let error): error.description
        case .changed(let outcome): outcome.failures.values.first?.description
        case .tables(let report): report.problem?.description
        case .compared(let repair): repair.problem?.description ?? repair.failures.values.first?.description
        case .done, .attached, .restored, .overlay: nil
        }
    }
}
