internal import EVBTime

/// How fast the bridge answers, as measured, and what follows: the keep-alive period that so many VSIs need, and how many VSIs a
/// period is enough for.
struct BridgePace {
    /// Answers that are measured before anything follows.
    static let samplesMin = 8
    /// Fewer VSIs than this are no crowd for any bridge.
    static let crowdMin = 8
    /// The largest keep-alive period that is offered, as an exponent: 22 minutes, which some switches have by default.
    static let exponentMax: UInt8 = 27
    /// A bridge whose answers are further apart is slow: each answer that is waited for costs others their time.
    private static let slowMin = Interval.milliseconds(50)
    /// The weight of the former average is this less one in this.
    private static let smoothing: UInt64 = 8
    /// Answers in a row that did not have to wait, until the bridge is taken to be faster than it was.
    private static let idleMax = 32

    /// What was answered, and when it was asked.
    struct Answer {
        var count: Int
        /// The number of the PDU in which it was asked; nil for one of several.
        var payload: UInt64?
        var askedAt: Instant
        var isKeepAlive: Bool
    }

    private var average: Interval?
    private var samples = 0
    private var keepAliveSamples = 0
    private var idleAnswers = 0
    /// Answers that the bridge still owes, those to repetitions among them.
    private(set) var owed = 0
    private var lastAnswer: Instant?
    private var lastPayload: UInt64?
    /// The bridge has answered several VSIs in one PDU. What such a bridge does not answer the wire has lost.
    private(set) var answersTogether = false
    /// The bridge has answered several VSIs of one PDU, in one PDU or in several. It does not lose all but one of them.
    private(set) var takesSeveral = false

    /// Takes in the answers of one PDU.
    ///
    /// What was asked before the former answer came has waited at the bridge since then. Anything else found the bridge idle, which
    /// tells of its pace only when it goes on. The bridge may think long about a command, and none of the other answers waits for
    /// that.
    mutating func note(_ answer: Answer, ackTimer: Interval, at now: Instant) {
        guard answer.count > 0 else { return }
        if answer.count > 1 { answersTogether = true }
        if answer.count > 1 || answer.payload != nil && answer.payload == lastPayload { takesSeveral = true }
        lastPayload = answer.payload
        let hasWaited = lastAnswer.map { answer.askedAt <= $0 } ?? false
        let since = max(lastAnswer ?? answer.askedAt, answer.askedAt)
        lastAnswer = now
        idleAnswers = hasWaited ? 0 : min(idleAnswers + 1, Self.idleMax)
        guard hasWaited || interval != nil && idleAnswers >= Self.idleMax else { return }
        let most = ackTimer * (answer.isKeepAlive ? 4 : 2)
        let sample = min(now.since(since) / UInt64(answer.count), most)
        samples = min(samples + 1, Self.samplesMin)
        if answer.isKeepAlive { keepAliveSamples = min(keepAliveSamples + 1, Self.samplesMin) }
        average = average.map { ($0 * (Self.smoothing - 1) + sample) / Self.smoothing } ?? sample
    }

    /// The time from one answer to the next while many are waited for; nil until it is known.
    var interval: Interval? { samples < Self.samplesMin ? nil : average }

    /// So many VSIs were asked about.
    mutating func ask(_ count: Int) { owed = min(owed + count, 1 << 20) }

    /// So many answers have come, also to repetitions.
    mutating func take(_ count: Int) { owed = max(owed - count, 0) }

    /// Answers have stopped coming: what is owed is lost.
    mutating func writeOff() { owed = 0 }

    /// Whether the bridge has answered anything.
    var isMeasured: Bool { lastAnswer != nil }

    /// Whether the time from one answer to the next is known of keep-alives, about which a bridge has nothing to think.
    var isSure: Bool { keepAliveSamples >= Self.samplesMin }

    var isSlow: Bool { !answersTogether && interval.map { $0 >= Self.slowMin } ?? false }

    /// The exponent of the keep-alive period in which the bridge can answer about each of so many VSIs twice, and at least `least`.
    func exponent(for vsis: Int, least: UInt8) -> UInt8 {
        guard let interval, vsis > Self.crowdMin else { return least }
        let need = interval * UInt64(vsis) * 2
        var exponent = least
        while exponent < Self.exponentMax, .exponent(exponent) < need { exponent += 1 }
        return exponent
    }

    /// VSIs that can be kept alive with this period; nil for any number.
    func capacity(_ period: Interval) -> Int? {
        guard let interval, interval.nanoseconds > 0 else { return nil }
        let answers = (period / 5 * 4).nanoseconds / interval.nanoseconds
        return max(Int(min(answers, 1 << 20)), Self.crowdMin)
    }
}
