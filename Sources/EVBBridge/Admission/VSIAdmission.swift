package import EVBModel
package import EVBProtocol
package import EVBWire

/// What an admission decides.
package enum AdmissionDecision: Equatable {
    /// Granted, with this filter.
    case grant(FilterInfo)
    /// Refused, and what the operator of the bridge is to know of the cause; the station gets the refusal alone.
    case refuse(Refusal, because: String)

    /// What of it the protocol needs.
    package var decision: BridgeDecision {
        switch self {
        case .grant(let filter): .grant(filter)
        case .refuse(let refusal, _): .refuse(refusal)
        }
    }
}

/// Decides on what stations ask for, and puts what was granted into force.
///
/// Used on the thread of the loop. The station hears of a grant at once when it is decided: what has to be in force by then
/// is put into force before `completion` is called. Where nobody waits for a decision any more when it comes (the station has
/// changed its mind, or is gone), `bind` with what holds, or `release`, follows it. So both may come for what is as they
/// say already, and `release` for what was never bound.
package protocol VSIAdmission: AnyObject {
    /// Decides now or later (completion is called once, on the loop's thread).
    ///
    /// The bridge gives a request up when resourceWaitDelay has passed, and asks anew when the station does.
    func decide(_ request: BridgeRequest, on port: String, completion: @escaping (AdmissionDecision) -> Void)
    /// This was granted and holds from now on.
    func bind(_ vsiID: VSIID, _ grant: BridgeGrant, request: BridgeRequest, on port: String)
    /// Nothing holds for the VSI any more; the station is told after this returns.
    func release(_ vsiID: VSIID, on port: String)
    /// The station has ended a VSI that had nothing: what an evbd before this one may have left in force for it goes.
    func departed(_ vsiID: VSIID, _ filter: FilterInfo, on port: String)
    /// Whether all that was released on a port is out of force.
    func isSettled(on port: String) -> Bool
    /// What the operator calls the type by which a VSI holds what it does; nil where types have no names.
    func typeName(of vsiID: VSIID, on port: String) -> String?
    /// What is wrong with what the port needs beside itself.
    func problems(on port: String) -> [PortProblem]
    /// The virtual network of an entry of a VSI's filter; nil where it has none.
    func vni(of entry: FilterEntry, _ vsiID: VSIID, on port: String) -> UInt32?
    /// The port closes: nothing of what was put into force there is to stay.
    func leave(_ port: String)
}

extension VSIAdmission {
    package func problems(on port: String) -> [PortProblem] { [] }
    package func vni(of entry: FilterEntry, _ vsiID: VSIID, on port: String) -> UInt32? { nil }
}

/// Grants whatever is asked for and belongs to no other VSI, and enforces nothing: what a bridge port without a database of VSI
/// types does.
///
/// A null VID asks for the VLAN of the VSI's type. Here types have no VLANs, so it is answered as it came, as lldpad does it:
/// any number in its place would have the station tag its frames for a VLAN that this bridge knows nothing of.
package final class AcceptingAdmission: VSIAdmission {
    private let registry: BridgeRegistry
    /// What was granted to each VSI and not released: what holds, and what is not bound yet.
    private var granted: [VSIID: [(request: BridgeRequest, claim: AddressLedger.Claim?)]] = [:]

    /// An admission for one port.
    package init(registry: BridgeRegistry) { self.registry = registry }

    package func decide(_ request: BridgeRequest, on port: String, completion: @escaping (AdmissionDecision) -> Void) {
        do throws(AddressLedger.Obstacle) {
            let claim = try registry.claim(request.filter, for: request, on: port)
            granted[request.vsiID, default: []].append((request, claim))
            completion(.grant(request.filter))
        } catch {
            completion(.refuse(error.refusal, because: registry.words(error)))
        }
    }

    package func bind(_ vsiID: VSIID, _ grant: BridgeGrant, request: BridgeRequest, on port: String) {
        registry.note(vsiID, grant.command, grant.filter, on: port)
        // The same may have been granted twice: the latest has all that is claimed.
        guard let place = granted[vsiID]?.lastIndex(where: { $0.request == request }) else { return }
        let meant = granted[vsiID]?.remove(at: place)
        for overtaken in granted[vsiID] ?? [] { registry.release(overtaken.claim) }
        granted[vsiID] = meant.map { [$0] }
    }

    package func release(_ vsiID: VSIID, on port: String) {
        for ended in granted.removeValue(forKey: vsiID) ?? [] { registry.release(ended.claim) }
    }

    package func isSettled(on port: String) -> Bool { true }

    package func typeName(of vsiID: VSIID, on port: String) -> String? { nil }

    package func departed(_ vsiID: VSIID, _ filter: FilterInfo, on port: String) {}

    package func leave(_ port: String) {
        for vsiID in Array(granted.keys) { release(vsiID, on: port) }
    }
}
