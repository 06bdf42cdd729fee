package import EVBModel
package import EVBTime

/// The problems of a port, and since when each has been so.
///
/// The port works out what is wrong from its state (``settle(_:at:)``), each time that the state may have changed. The book
/// compares that with what was wrong before, and tells what has begun and what is over, each once.
///
/// Pure: the time is given, and nothing is logged here.
package struct ProblemBook {
    /// Problems of one port that are kept; the rest is left out.
    static let problemsMax = 64

    /// What has changed.
    package struct Change {
        package var raised: [PortProblem] = []
        /// What is over, and how long it was so.
        package var cured: [(problem: PortProblem, after: Interval)] = []
    }

    /// What makes a problem another one than one of the same kind.
    private struct Key: Hashable {
        let kind: PortProblem.Kind
        let vsiID, otherPort, otherVSIID, address: String?

        init(_ problem: PortProblem) {
            kind = problem.kind
            (vsiID, otherPort) = (problem.vsiID, problem.otherPort)
            (otherVSIID, address) = (problem.otherVSIID, problem.address)
        }
    }

    private struct Entry {
        var problem: PortProblem
        var since: Instant
        var state: State

        enum State {
            /// It is so, and may be over soon, as things are at a start.
            case suspected(until: Instant)
            case raised
        }
    }

    private var entries: [Key: Entry] = [:]
    private var settledAt: Instant?

    package init() {}

    /// When something that is suspected becomes a problem; nil for nothing.
    package var nextDeadline: Instant? {
        entries.values.reduce(nil) { soonest, entry in
            guard case .suspected(let until) = entry.state else { return soonest }
            return Instant.earliest(soonest, until)
        }
    }

    /// Whether it was settled less than this ago.
    package func isSettled(within time: Interval, at now: Instant) -> Bool {
        settledAt.map { now.since($0) < time } ?? false
    }

    /// Whether there is something wrong, or suspected.
    package var isEmpty: Bool { entries.isEmpty }

    /// Takes in what is wrong now, and tells what has changed. What is `certain` is not suspected first.
    package mutating func settle(
        _ current: [PortProblem], certain: Set<PortProblem.Kind> = [], at now: Instant
    ) -> Change {
        settledAt = now
        var change = Change()
        var left = entries
        entries = [:]
        for problem in current.prefix(Self.problemsMax) {
            let key = Key(problem)
            guard entries[key] == nil else { continue }
            var entry =
                left.removeValue(forKey: key)
                ?? Entry(problem: problem, since: now, state: .suspected(until: now + problem.kind.grace))
            entry.problem = problem
            if case .suspected(let until) = entry.state, until <= now || certain.contains(problem.kind) {
                entry.state = .raised
                change.raised.append(problem)
            }
            entries[key] = entry
        }
        for entry in left.values {
            guard case .raised = entry.state else { continue }
            change.cured.append((entry.problem, now.since(entry.since)))
        }
        change.cured.sort { $0.problem.kind.rank < $1.problem.kind.rank }
        return change
    }

    /// What is wrong, causes before consequences, with how long it has been so.
    package func problems(at now: Instant) -> [PortProblem] {
        entries.values.compactMap { entry in
            guard case .raised = entry.state else { return nil }
            var problem = entry.problem
            problem.ageSeconds = Int(clamping: now.since(entry.since).nanoseconds / 1_000_000_000)
            return problem
        }.sorted {
            ($0.kind.rank, $0.vsiID ?? "", $0.address ?? "") < ($1.kind.rank, $1.vsiID ?? "", $1.address ?? "")
        }
    }
}

extension PortProblem.Kind {
    /// How long it has to be so before it is a problem: what is so at each start, until the peer has spoken, is none.
    var grace: Interval {
        switch self {
        // A neighbour that sends every 30 s, and whose first LLDPDU came before evbd listened.
        case .noLLDP: .seconds(35)
        case .noEVBTLV, .evbTLVElsewhere, .severalNeighbours: .seconds(3)
        // Both sides have begun at the same time, or the bridge begins again.
        case .channelDown: .seconds(5)
        // A link that goes down refuses frames before its news is read.
        case .sendFailing: .seconds(1)
        default: Interval(nanoseconds: 0)
        }
    }

    /// Whether the log has a line of its own about it, at the place where it happens.
    var isLoggedElsewhere: Bool {
        switch self {
        case .interfaceMissing, .interfaceTaken, .cannotListen, .linkDown, .vsiContest, .addressConflict, .vsiRefused,
            .bondMember, .noVLANDevices, .unfilteredMachines, .relayNotOffered, .noSpanningTree, .limitReached,
            .storeFailing, .unmanagedAddresses, .cardSwitch, .libvirtPort, .reload:
            true
        default: false
        }
    }
}
