package import EVBWire

// News of the port, or of its policy, concern all VSIs. Where there are very many, the owner tells some at a time of them.

extension RelayMachine {
    /// Takes another policy. All VSIs have to be told of it, by ``follow(_:isPolicy:_:)``.
    ///
    /// - Returns: whether it is another one.
    package mutating func begin(_ policy: LinkPolicy) -> Bool {
        guard policy != self.policy else { return false }
        setPolicy(policy)
        return true
    }

    /// Does for some VSIs what ``observe(_:_:)`` does for all, in their order.
    ///
    /// - Parameters:
    ///   - vsiIDs: the VSIs; those that are not known any more are passed over.
    ///   - isPolicy: whether they are told of another policy, or else of the port.
    ///   - view: the kernel's links.
    /// - Returns: what follows.
    package mutating func follow(
        _ vsiIDs: some Sequence<VSIID>, isPolicy: Bool, _ view: some LinkView
    ) -> [RelayEffect] {
        var effects: [RelayEffect] = []
        for vsiID in vsiIDs where slots[vsiID] != nil {
            if isPolicy {
                refresh(vsiID)
                step(vsiID, view, &effects)
            } else {
                look(vsiID, view, &effects)
            }
        }
        return effects
    }
}
