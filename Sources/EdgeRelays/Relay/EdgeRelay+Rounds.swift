internal import EVBTime
internal import EVBWire
internal import EdgeRelayMachine
internal import EventLoop

// What concerns the links of all VSIs is done to some in each turn of the loop.

extension EdgeRelay {
    /// VSIs that are told in one turn.
    static let toldAtOnce = 128

    /// What VSIs have still to be told of.
    struct Round {
        var vsiIDs: ArraySlice<VSIID>
        /// Of another policy; else of the port.
        var isPolicy: Bool
    }

    /// Tells all VSIs that the port has changed.
    func tellAllOfPort() {
        guard machine.slots.count > Self.toldAtOnce else { return perform(machine.observe(.port, self)) }
        begin(isPolicy: false)
    }

    /// Tells all VSIs that another policy is in force.
    func tellAll(_ policy: LinkPolicy) {
        guard machine.slots.count > Self.toldAtOnce else { return perform(machine.observe(.policy(policy), self)) }
        if machine.begin(policy) { begin(isPolicy: true) }
    }

    /// A round in the place of one that has not ended: what those have not been told that are left, all are told now.
    private func begin(isPolicy: Bool) {
        round = Round(vsiIDs: Array(machine.slots.keys)[...], isPolicy: isPolicy || round?.isPolicy == true)
        tellSome()
    }

    /// Tells the next ones.
    func tellSome() {
        guard !isStopped, let current = round else { return }
        let some = current.vsiIDs.prefix(Self.toldAtOnce)
        let rest = current.vsiIDs.dropFirst(Self.toldAtOnce)
        round = rest.isEmpty ? nil : Round(vsiIDs: rest, isPolicy: current.isPolicy)
        if round != nil { roundTimer.set(timers.now) }
        perform(machine.follow(some, isPolicy: current.isPolicy, self))
    }
}
