internal import EVBTime
internal import EVBWire

/// The LLDP agent of one port (802.1AB), sending and receiving on one group address.
///
/// It decides when to send and remembers who was heard. What an LLDPDU says is its owner's business. Where 802.1AB counts
/// ticks of a second, this one keeps deadlines.
struct LLDPAgent {
    /// How often an LLDPDU is sent (msgTxInterval).
    static let transmitInterval = Interval.seconds(30)
    /// Seconds that an LLDPDU holds: msgTxInterval times msgTxHold (4), and one (802.1AB 9.2.5.22).
    static let timeToLive: UInt16 = 121
    /// How far apart LLDPDUs are after something has changed (msgFastTx).
    static let fastInterval = Interval.seconds(1)
    /// How many are sent that fast (txFastInit).
    static let fastCount = 4
    /// How many are sent that fast after a change of what they say.
    static let changeCount = 3
    /// LLDPDUs that may leave at once (txCreditMax); one more may every second.
    static let creditMax = 5
    /// Neighbours that are remembered. One is right on this address; a few show what is wrong.
    static let neighboursMax = 8

    /// One that was heard.
    struct Neighbour: Equatable, Sendable {
        var lldpdu: LLDPDU
        var source: MACAddress
        var expiry: Instant
        var lastHeard: Instant
        /// What is known of another speaker under the same name and address.
        var company = Company()

        /// Chassis and port name a neighbour (802.1AB's MSAP identifier).
        func isSame(as other: LLDPDU) -> Bool {
            lldpdu.chassisID == other.chassisID && lldpdu.portID == other.portID
        }

        func isSame(as peer: EVBPeer?) -> Bool {
            lldpdu.chassisID == peer?.chassisID && lldpdu.portID == peer?.portID
        }
    }

    /// What receiving an LLDPDU changed.
    enum Reception: Equatable {
        case added
        case updated
        case refreshed
        case withdrawn
        /// A second speaker's, under the name and the address of one that has said more.
        case secondSpeakers
        /// A shutdown LLDPDU of somebody unknown.
        case ignored
    }

    private(set) var neighbours: [Neighbour] = []
    private var isEnabled = false
    private var nextTransmission: Instant?
    private var fastRemaining = 0
    private var credit = creditMax
    private var creditCounted = Instant(nanoseconds: 0)

    /// The next moment at which ``advance(to:)`` has something to do.
    var nextDeadline: Instant? {
        neighbours.reduce(nextTransmission) { Instant.earliest($0, $1.expiry) }
    }

    /// The link is up: send at once, and fast for a while.
    mutating func start(at now: Instant) {
        isEnabled = true
        credit = Self.creditMax
        creditCounted = now
        fastRemaining = Self.fastCount
        nextTransmission = now
    }

    /// The link is down: nobody is there any more.
    mutating func stop() {
        isEnabled = false
        nextTransmission = nil
        neighbours = []
    }

    /// Something that the LLDPDU says has changed: send as soon as the credit allows.
    mutating func localChange(at now: Instant) {
        guard isEnabled else { return }
        nextTransmission = now
        // Said more than once: the next one by itself would be half a minute away, and frames get lost.
        fastRemaining = max(fastRemaining, Self.changeCount)
    }

    /// A neighbour has not heard this side: send once more, as soon as the credit allows.
    mutating func answer(at now: Instant) {
        guard isEnabled else { return }
        nextTransmission = now
    }

    /// Takes in what was received, and tells how it differs from what was known.
    ///
    /// The neighbour that `isKept` is never forgotten to make room for another, whatever source address the others have.
    mutating func receive(
        _ lldpdu: LLDPDU, from source: MACAddress, keeping isKept: (Neighbour) -> Bool,
        sparing spared: [MACAddress] = [],
        at now: Instant
    ) -> Reception {
        // What another sender says under the same name is its own.
        let index = neighbours.firstIndex { $0.isSame(as: lldpdu) && $0.source == source }
        guard lldpdu.timeToLive > 0 else {
            guard let index else { return .ignored }
            neighbours.remove(at: index)
            return .withdrawn
        }
        var neighbour = Neighbour(
            lldpdu: lldpdu, source: source, expiry: now + .seconds(UInt64(lldpdu.timeToLive)), lastHeard: now)
        if let index {
            guard neighbours[index].isFollowed(by: lldpdu, at: now) else { return .secondSpeakers }
            neighbour.company = neighbours[index].company
            let isChanged = neighbours[index].lldpdu.optional != lldpdu.optional
            neighbours[index] = neighbour
            return isChanged ? .updated : .refreshed
        }
        if isFull { forgetOne(keeping: isKept, sparing: spared) }
        neighbours.append(neighbour)
        if isEnabled {
            fastRemaining = Self.fastCount
            nextTransmission = now
        }
        return .added
    }

    /// Whether there is no room for another neighbour.
    var isFull: Bool { neighbours.count >= Self.neighboursMax }

    /// Makes room: the one that has been silent longest goes, one that hears this side after the others, and never the peer. A
    /// stranger under many names does not so displace a peer that waits to be followed.
    private mutating func forgetOne(keeping isKept: (Neighbour) -> Bool, sparing spared: [MACAddress]) {
        let candidates = neighbours.indices.filter { !isKept(neighbours[$0]) }
        let others = candidates.filter { !spared.contains(neighbours[$0].source) }
        let oldest = (others.isEmpty ? candidates : others).min {
            neighbours[$0].lastHeard < neighbours[$1].lastHeard
        }
        neighbours.remove(at: oldest ?? 0)
    }

    /// Forgets neighbours.
    mutating func forget(where isMeant: (Neighbour) -> Bool) { neighbours.removeAll(where: isMeant) }

    /// What neighbours have said holds twice as long as they said.
    mutating func extend(where isMeant: (Neighbour) -> Bool) {
        for index in neighbours.indices where isMeant(neighbours[index]) {
            let neighbour = neighbours[index]
            neighbours[index].expiry = neighbour.lastHeard + .seconds(2 * UInt64(neighbour.lldpdu.timeToLive))
        }
    }

    /// When one of certain neighbours was last heard; nil where there are none.
    func lastHeard(where isMeant: (Neighbour) -> Bool) -> Instant? { neighbours.filter(isMeant).map(\.lastHeard).max() }

    /// Whether a neighbour that was last heard then has missed three LLDPDUs.
    func isSilent(_ last: Instant, at now: Instant) -> Bool { now.since(last) > Self.transmitInterval * 3 }

    /// Whether some neighbours have missed three LLDPDUs while another that will do is heard: they are gone, however long they
    /// said that their word holds.
    func areOutlived(_ own: (Neighbour) -> Bool, by willDo: (Neighbour) -> Bool, at now: Instant) -> Bool {
        guard let last = lastHeard(where: own), isSilent(last, at: now) else { return false }
        return neighbours.contains { now.since($0.lastHeard) <= Self.transmitInterval && willDo($0) }
    }

    /// What is due by now.
    struct Due: Equatable {
        var transmit = false
        /// How many neighbours have aged out.
        var agedCount = 0

        var aged: Bool { agedCount > 0 }
    }

    /// Lets time pass.
    mutating func advance(to now: Instant) -> Due {
        var due = Due()
        let before = neighbours.count
        neighbours.removeAll { $0.expiry <= now }
        due.agedCount = before - neighbours.count
        guard let transmission = nextTransmission, transmission <= now else { return due }
        replenish(at: now)
        guard credit > 0 else {
            nextTransmission = creditCounted + .seconds(1)
            return due
        }
        credit -= 1
        if fastRemaining > 0 { fastRemaining -= 1 }
        nextTransmission = now + (fastRemaining > 0 ? Self.fastInterval : Self.transmitInterval)
        due.transmit = true
        return due
    }

    private mutating func replenish(at now: Instant) {
        let second = Interval.seconds(1)
        let passed = now.since(creditCounted).nanoseconds / second.nanoseconds
        guard passed > 0 else { return }
        credit = Int(min(UInt64(Self.creditMax), UInt64(credit) + min(passed, UInt64(Self.creditMax))))
        creditCounted = creditCounted + second * passed
    }
}
