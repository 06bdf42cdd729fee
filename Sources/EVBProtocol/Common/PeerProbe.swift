internal import EVBTime
internal import EVBWire

/// Whether the peer is still there: asked of it while another neighbour offers to take its place.
///
/// The question is an ECPDU, which every peer acknowledges at once. It is sent again and again; any frame of the peer's is an
/// answer. So many losses in a row do not happen by chance: at 20 % each way, one in 700 million questions goes unanswered.
/// After an answer the next question waits, longer each time, so that a false neighbour cannot try its luck.
struct PeerProbe {
    /// How far apart the ECPDUs are.
    static let interval = Interval.milliseconds(75)
    /// How long an answer is waited for.
    static let length = Interval.milliseconds(1500)
    /// How long after an answer the peer is not asked again: the first time, and at most.
    static let (pauseMin, pauseMax) = (Interval.seconds(2), Interval.seconds(30))
    /// How long a new peer has to hear this side by LLDP: before that it acknowledges nothing.
    static let acquaintance = Interval.seconds(4)

    /// Who has to answer.
    enum Subject {
        /// The peer, from whichever of its addresses.
        case peer
        /// The peer at the address that it had: another neighbour has its name at another one.
        case address
    }

    private enum State {
        case idle
        case asking(Subject, until: Instant)
    }

    private var state = State.idle
    /// What is to be asked as soon as it may be.
    private var wanted: Subject?
    private var notBefore: Instant
    private var pause = pauseMin
    /// ECP has given up a VDPDU meanwhile, of which VDP has still to hear.
    private var hasFailedPayload = false

    /// Begins with a peer that has been found now.
    init(at now: Instant) { notBefore = now }

    /// Whether an answer is awaited. VDP waits as long.
    var isAsking: Bool { if case .asking = state { true } else { false } }

    /// Whether the peer is to be asked as soon as it may be.
    var isWanted: Bool { wanted != nil }

    /// When there is something to do; `known` is from when on the peer can be expected to know this side.
    func deadline(known: Instant) -> Instant? {
        switch state {
        case .asking(_, let until): until
        case .idle: wanted.map { _ in max(notBefore, known) }
        }
    }

    /// Another neighbour is there: the peer is to be asked.
    mutating func want(_ subject: Subject) { if !isAsking { wanted = subject } }

    /// Begins to ask if it is wanted and may be.
    ///
    /// - Returns: whether it has begun now.
    mutating func begin(at now: Instant, known: Instant) -> Bool {
        guard case .idle = state, let subject = wanted, max(notBefore, known) <= now else { return false }
        wanted = nil
        state = .asking(subject, until: now + Self.length)
        return true
    }

    /// The way to the peer has changed: it may be asked at once.
    mutating func pathChanged(at now: Instant) {
        notBefore = min(notBefore, now)
        pause = Self.pauseMin
    }

    /// Notes that ECP has given up what is outstanding.
    ///
    /// - Parameter isVDP: whether that was a VDPDU.
    mutating func failed(isVDP: Bool) { hasFailedPayload = hasFailedPayload || isVDP }

    /// What an answer brings to light.
    struct Answer {
        var subject: Subject
        /// A VDPDU has failed meanwhile.
        var hasFailedPayload: Bool
    }

    /// A frame of the peer's has come, from the address that the peer had when it was found, or from another of its own.
    ///
    /// - Parameters:
    ///   - isFromAddress: whether it is from that address.
    ///   - now: the time.
    /// - Returns: what follows, if it was waited for.
    mutating func heard(isFromAddress: Bool, at now: Instant) -> Answer? {
        guard case .asking(let subject, _) = state, subject == .peer || isFromAddress else { return nil }
        let answer = Answer(subject: subject, hasFailedPayload: hasFailedPayload)
        end()
        notBefore = now + pause
        pause = min(pause * 2, Self.pauseMax)
        return answer
    }

    /// The peer has not answered in time.
    ///
    /// - Returns: who has not; nil while it still may, or is not asked.
    mutating func unanswered(at now: Instant) -> Answer? {
        guard case .asking(let subject, let until) = state, until <= now else { return nil }
        let answer = Answer(subject: subject, hasFailedPayload: hasFailedPayload)
        end()
        notBefore = now + Self.pauseMin
        return answer
    }

    private mutating func end() {
        state = .idle
        hasFailedPayload = false
    }

    // MARK: The question

    /// The VSI that the question is about. There is no such VSI: the question changes nothing.
    static let vsiID = VSIID(format: .uuid, high: 0x6576_6264_2D70_4F62, low: 0xA572_6F62_652D_3031)

    /// A De-Associate of that VSI, which every peer of either role has to bear.
    static func payload(_ dialect: WireDialect) -> [UInt8] {
        let address = MACAddress(truncating: 0x0245_5642_4400)
        guard let filter = try? FilterInfo(checking: [FilterEntry(vid: 1, macAddress: address)]) else { return [] }
        let tlv = VSITLV(command: .deAssociate, typeID: 0, typeVersion: 0, vsiID: vsiID, filter: filter)
        return dialect.encode(WireDialect.Association(managerID: .unspecified, tlv: tlv))
    }
}
