internal import EVBTime
internal import EVBWire
internal import EdgeRelayMachine
internal import EventLoop

// What concerns the links of all VSIs is done to some in each turn of the loop.

extension EdgeRelay {
    /// VSIs that are told in one turn, where there are no more.
    static let toldAtOnce = 128
    /// VSIs that are told at a time, where there are more.
    private static let toldPerStep = 32

    /// What VSIs have still to be told of.
    struct Round {
        var vsiIDs: ArraySlice<VSIID>
        /// Of the port.
        var isPort: Bool
        /// Of another policy.
        var isPolicy: Bool
    }

    /// Tells all VSIs that the port has changed.
    func tellAllOfPort() {
        guard machine.slots.count > Self.toldAtOnce else { return perform(machine.observe(.port, self)) }
        begin(isPort: true)
    }

    /// Tells all VSIs that another policy is in force.
    func tellAll(_ policy: LinkPolicy) {
        guard machine.slots.count > Self.toldAtOnce else { return perform(machine.observe(.policy(policy), self)) }
        if machine.begin(policy) { begin(isPort: false) }
    }

    /// A round in the place of one that has not ended: what those have not been told that are left, all are told now.
    private func begin(isPort: Bool) {
        round = Round(
            vsiIDs: Array(machine.slots.keys)[...], isPort: isPort || round?.isPort == true,
            isPolicy: !isPort || round?.isPolicy == true)
        tellSome()
    }

    /// Tells the next ones.
    func tellSome() {
        guard !isStopped, let current = round else { return }
        let some = current.vsiIDs.prefix(Self.toldPerStep)
        let rest = current.vsiIDs.dropFirst(Self.toldPerStep)
        round = rest.isEmpty ? nil : Round(vsiIDs: rest, isPort: current.isPort, isPolicy: current.isPolicy)
        if round != nil { roundTimer.set(timers.now) }
        if current.isPort { perform(machine.follow(some, isPolicy: false, self)) }
        if current.isPolicy { perform(machine.follow(some, isPolicy: true, self)) }
    }
}
