internal import EVBTime

extension VDPStation {
    /// What a VSI's one deadline is for.
    enum Wait: Equatable {
        case none
        /// A bridge is to be heard, or the manager is told that there is none.
        case bridge(until: Instant)
        /// The answer: half of respWaitDelay passed, the command is repeated once; all of it, it is given up.
        case response(until: Instant, repeatAt: Instant?, failures: Int)
        case keepAlive(at: Instant)
        /// A failed request is tried again.
        case retry(at: Instant)

        var deadline: Instant? {
            switch self {
            case .none: nil
            case .bridge(let until): until
            case .response(let until, let repeatAt, _): repeatAt.map { min($0, until) } ?? until
            case .keepAlive(let at), .retry(let at): at
            }
        }
    }

    /// A ``Wait`` in less than half the octets.
    struct PackedWait {
        private enum Kind { case none, bridge, response, keepAlive, retry }

        private var until = Instant(nanoseconds: 0)
        @CompactInstant private var repeatAt: Instant?
        private var failures: UInt8 = 0
        private var kind = Kind.none

        init() {}

        @inline(__always) init(_ wait: Wait) {
            switch wait {
            case .none: break
            case .bridge(let until): (self.until, kind) = (until, .bridge)
            case .response(let until, let repeatAt, let failures):
                (self.until, self.repeatAt, kind) = (until, repeatAt, .response)
                // They end the wait long before that.
                self.failures = UInt8(clamping: failures)
            case .keepAlive(let at): (until, kind) = (at, .keepAlive)
            case .retry(let at): (until, kind) = (at, .retry)
            }
        }

        @inline(__always) var wait: Wait {
            switch kind {
            case .none: .none
            case .bridge: .bridge(until: until)
            case .response: .response(until: until, repeatAt: repeatAt, failures: Int(failures))
            case .keepAlive: .keepAlive(at: until)
            case .retry: .retry(at: until)
            }
        }
    }
}
