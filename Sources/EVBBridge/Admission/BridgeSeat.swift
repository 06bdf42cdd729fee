package import EVBModel
package import EVBProtocol
package import EVBTime
package import EVBWire

/// A bridge port's way to what the ports of a daemon share: who decides on requests, and who holds what.
///
/// All of that goes by the port's name, which another port may have later. A seat ends when its port leaves, or when another
/// port takes a seat of the same name: nothing that the former one still does changes what is the later one's.
package final class BridgeSeat {
    package let name: String
    private let admission: any VSIAdmission
    private let registry: BridgeRegistry
    private let number: UInt64

    /// Takes the seat of a port, in place of a former port of the name.
    package init(_ name: String, admission: any VSIAdmission, registry: BridgeRegistry) {
        self.name = name
        self.admission = admission
        self.registry = registry
        number = registry.takeSeat(name)
    }

    /// Whether the port is the one of its name.
    package var isOpen: Bool { registry.isSeated(name, number) }

    /// Gives everything back, and ends the seat.
    package func leave() {
        guard isOpen else { return }
        // What is granted too late is given back while this goes on.
        admission.leave(name)
        registry.leave(name)
        registry.endSeat(name, number)
    }

    /// Whether nothing that was asked of the admission is still being put into force.
    package var isSettled: Bool { !isOpen || admission.isSettled(on: name) }

    // MARK: Requests

    /// Judges a request by where its VSI is.
    package func judge(_ request: BridgeRequest) -> VSIPlaces.Verdict {
        isOpen ? registry.judge(request, on: name) : .free
    }

    /// Decides now or later, as ``VSIAdmission/decide(_:on:completion:)`` does.
    package func decide(_ request: BridgeRequest, completion: @escaping (AdmissionDecision) -> Void) {
        guard isOpen else {
            return completion(
                .refuse(
                    Refusal(reason: .insufficientResources, isHard: false, isKept: true),
                    because: "another port has the name \(name) now"))
        }
        admission.decide(request, on: name, completion: completion)
    }

    // MARK: What holds

    /// This was granted and holds from now on.
    package func bind(_ vsiID: VSIID, _ grant: BridgeGrant, request: BridgeRequest) {
        if isOpen { admission.bind(vsiID, grant, request: request, on: name) }
    }

    /// The virtual network of an entry of a VSI's filter; nil where it has none.
    package func vni(of entry: FilterEntry, _ vsiID: VSIID) -> UInt32? {
        isOpen ? admission.vni(of: entry, vsiID, on: name) : nil
    }

    /// What is wrong with what the admission needs.
    package var admissionProblems: [PortProblem] { isOpen ? admission.problems(on: name) : [] }

    /// What the operator calls the type of a VSI that is bound; nil where types have no names.
    package func typeName(of vsiID: VSIID) -> String? { isOpen ? admission.typeName(of: vsiID, on: name) : nil }

    /// A VSI has what was granted to it.
    package func bound(_ vsiID: VSIID, _ command: VDPCommand) {
        if isOpen { registry.bound(vsiID, command, on: name) }
    }

    /// Nothing of what was granted to a VSI is to be in force.
    package func withdraw(_ vsiID: VSIID) {
        if isOpen { admission.release(vsiID, on: name) }
    }

    /// A VSI has nothing any more.
    package func released(_ vsiID: VSIID) {
        guard isOpen else { return }
        admission.release(vsiID, on: name)
        registry.released(vsiID, on: name)
    }

    /// The station has ended a VSI that had nothing.
    package func departed(_ vsiID: VSIID, _ filter: FilterInfo) {
        guard isOpen else { return }
        registry.departed(vsiID, from: name)
        admission.departed(vsiID, filter, on: name)
    }

    // MARK: The port

    /// The port begins; `keepAlive` is toutKeepAlive, as the configuration has it.
    package func begin(keepAlive: Interval) {
        if isOpen { registry.begin(name, keepAlive: keepAlive) }
    }

    /// The station is heard, or other timers are agreed with it.
    package func heard(isFound: Bool, keepAlive: Interval) {
        if isOpen { registry.heard(name, isFound: isFound, keepAlive: keepAlive) }
    }

    /// The station is gone, and with it what was kept for its VSIs.
    package func lost() {
        if isOpen { registry.stationLost(on: name) }
    }

    /// No VSI may have these addresses, in place of those that the port has named before.
    package func protect(_ addresses: Set<MACAddress>) {
        if isOpen { registry.protect(addresses, by: .port(name)) }
    }

    /// The port's bridge may have changed.
    ///
    /// - Returns: its VSIs that may not stay, and why.
    package func follow() -> [VSIID: AddressLedger.Obstacle] { isOpen ? registry.follow(name) : [:] }

    /// What the port's counters tell.
    package var counters: [Counter: UInt64] { isOpen ? registry.counters(of: name) : [:] }

    /// What is wrong between VSIs on the port now.
    package var problems: [PortProblem] { isOpen ? registry.problems(of: name) : [] }
}
