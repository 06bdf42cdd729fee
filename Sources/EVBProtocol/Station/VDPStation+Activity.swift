internal import EVBTime
internal import EVBWire

// Of tens of thousands of VSIs nearly all are in cohorts, which know what is under way about them. What is kept of a VSI for that is apart,
// and only there while it is on its own.

extension VDPStation {
    /// What is under way about a VSI that is on its own, or was last.
    struct Activity {
        private var packedWait = PackedWait()
        /// ``VDPStation/setExchange(_:_:)`` is the only writer.
        fileprivate(set) var exchange = Exchange.idle
        var asking = Asking()

        init() {}

        /// For one that is shown.
        init(_ exchange: Exchange, _ wait: Wait, _ asking: Asking) {
            (self.exchange, self.asking, packedWait) = (exchange, asking, PackedWait(wait))
        }

        /// What its one deadline is for.
        var wait: Wait {
            @inline(__always) get { packedWait.wait }
            @inline(__always) set { packedWait = PackedWait(newValue) }
        }
    }

    /// What is under way with the bridge about a VSI.
    enum Exchange: Equatable {
        case idle
        /// Waits for a PDU. `isRepeated`: the bridge seems to have lost it the first time.
        case queued(VDPCommand, isRepeated: Bool)
        /// Sent, and its answer is awaited.
        case awaiting(since: Instant, VDPCommand, Patience)

        /// How far the silence about it is believed to be a loss.
        enum Patience {
            case normal
            /// It was asked again because others were answered and it was not.
            case repeated
            /// It has been silent so long that others need not wait for it.
            case overdue
        }

        /// Others may have to wait for its answer.
        var isOutstanding: Bool {
            switch self {
            case .awaiting(_, _, .normal), .awaiting(_, _, .repeated): true
            case .idle, .queued, .awaiting(_, _, .overdue): false
            }
        }

        /// It was asked again, or will be, because the bridge seems to have lost it.
        var isRecovering: Bool {
            switch self {
            case .queued(_, let isRepeated): isRepeated
            case .awaiting(_, _, let patience): patience == .repeated
            case .idle: false
            }
        }
    }

    /// Sets what a VSI waits for, and its deadline.
    mutating func setWait(_ slot: Int, _ wait: Wait) {
        assert(cohorts.number(of: slot) == nil, "a VSI of a cohort has no deadline of its own")
        activities[slot].wait = wait
        deadlines.set(slot, wait.deadline)
    }

    /// Moves a VSI's exchange on, and keeps count of those that are outstanding and recovering.
    mutating func setExchange(_ slot: Int, _ exchange: Exchange) {
        assert(cohorts.number(of: slot) == nil, "a VSI of a cohort has no exchange of its own")
        let former = activities[slot].exchange
        guard former != exchange else { return }
        if case .queued = former, exchange == .idle { queue.remove(slot) }
        outstanding += (exchange.isOutstanding ? 1 : 0) - (former.isOutstanding ? 1 : 0)
        recovering += (exchange.isRecovering ? 1 : 0) - (former.isRecovering ? 1 : 0)
        activities[slot].exchange = exchange
    }

    /// So many VSIs of a cohort are asked about, or are not any more where the number is negative.
    mutating func addOutstanding(_ count: Int) { outstanding += count }
}
