internal import EVBTime
internal import EVBWire

extension VDPStation {
    /// What is always kept of a VSI: plain values alone, so that tens of thousands of them can be looked at, and changed in their places,
    /// at next to no cost. What is asked for it, and what holds, is in ``wanted`` and ``granted``, and what is under way about it in
    /// ``activities`` or with its cohort.
    ///
    /// What a keep-alive reads and changes comes first, so that it is near together: of tens of thousands of VSIs none is in the
    /// processor's cache when its keep-alive is due, and to fetch it costs more than to work on it.
    struct Record {
        let vsiID: VSIID
        // The name leaves room of seven octets: what has one octet each fills it.
        var machine = VDPStationMachine()
        /// A slot that no VSI has.
        let isFree: Bool
        var interest = Interest.wanted
        var reported = VSIState.deassociated
        var reason: VSIReason?
        /// A command that was sent, and that another one overtook before it was answered.
        var overtakenCommand: VDPCommand?
        /// A De-Associate has been sent and its answer has not come.
        var isReleaseUnanswered = false
        /// The bridge has forgotten it: what it once filled in is left open again.
        var isAskedAnew = false
        var answer: VSIAnswer?
        /// Filter entries that it counts for: one TLV's at the most.
        var countedEntries: UInt16 = 0
        /// Keep-alives that were begun, as far as they scatter the next one. It wraps.
        var keepAlives: UInt32 = 0
        var counters = VSICommandCounters()
        /// When the request was made of which its manager still awaits the end.
        @CompactInstant var openRequest: Instant?
        @CompactInstant var boundSince: Instant?
        /// When its manager first asked for it.
        var createdAt = Instant(nanoseconds: 0)

        init(_ vsiID: VSIID) { (self.vsiID, isFree) = (vsiID, false) }

        private init() { (vsiID, isFree) = (VSIID(format: .local, high: 0, low: 0), true) }

        static let free = Record()
    }

    /// How one VSI stands: what is kept of it, and what is under way about it.
    @dynamicMemberLookup
    struct VSI {
        var record: Record
        var activity: Activity

        /// What its one deadline is for.
        var wait: Wait {
            get { activity.wait }
            set { activity.wait = newValue }
        }
        var exchange: Exchange { activity.exchange }
        var asking: Asking { activity.asking }

        @inline(__always) subscript<Value>(dynamicMember path: KeyPath<Record, Value>) -> Value {
            record[keyPath: path]
        }
        @inline(__always) subscript<Value>(dynamicMember path: WritableKeyPath<Record, Value>) -> Value {
            get { record[keyPath: path] }
            set { record[keyPath: path] = newValue }
        }
    }

    /// What is kept of a VSI that has failed, of which there are few.
    struct Failures {
        /// Failures since it last was bound for a while; they space out what is tried again.
        var count: UInt32 = 0
        var last = Instant(nanoseconds: 0)
    }

    /// What its manager wants of a VSI.
    enum Interest {
        case wanted
        /// The manager wants it no more; it goes as soon as the bridge has released it.
        case withdrawn
        /// The latest refusal said that the same request will always fail.
        case refusedForGood
    }
}
