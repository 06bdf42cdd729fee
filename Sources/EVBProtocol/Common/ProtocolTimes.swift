public import EVBTime

/// The times that ECP and VDP keep on a port: those that follow from the numbers negotiated, or the fixed ones of the draft.
public struct ProtocolTimes: Hashable, Sendable {
    /// How often ECP sends again.
    public var retries: UInt8
    /// How long a transmission waits for its acknowledgement (43.3.6.1).
    public var ackTimer: Interval
    /// How long the station waits for the bridge's answer (41.5.5.9).
    public var responseWaitDelay: Interval
    /// How long the station may be silent about a VSI (41.5.5.5).
    public var reinitKeepAlive: Interval
    /// How long the bridge may work at a request (41.5.5.7).
    public var resourceWaitDelay: Interval
    /// How long the bridge keeps a silent VSI (41.5.5.13).
    public var keepAliveTimeout: Interval
    /// How far apart the answers of a slow bridge come; it limits how many are waited for at once.
    var answerInterval: Interval

    /// What the draft fixes: an ack timer of 500 ms and three repetitions, 3 s for an answer, a keep-alive every 10 s.
    ///
    /// It fixes nothing for the bridge's side. So that the answer reaches a station before its 3 s are over, even where each
    /// of request and answer has to be sent twice, 2 s of them are the bridge's; and a silent VSI is kept as long as the
    /// ratified formula makes of these numbers, 1.5 x (10 s + 7 x 500 ms).
    ///
    /// The draft's bridges answer as many VSIs in a PDU as they were asked in one, so little time is reckoned for each.
    package static let draft = ProtocolTimes(
        retries: 3, ackTimer: .milliseconds(500), responseWaitDelay: .seconds(3), reinitKeepAlive: .seconds(10),
        resourceWaitDelay: .seconds(2), keepAliveTimeout: .milliseconds(20_250), answerInterval: .milliseconds(10))
}

extension OperationalTimers {
    /// The times that follow from the four numbers. A bridge like lldpad's sends one PDU, with one answer, for each of its
    /// ack timers.
    public var times: ProtocolTimes {
        ProtocolTimes(
            retries: retries, ackTimer: ackTimer, responseWaitDelay: responseWaitDelay,
            reinitKeepAlive: reinitKeepAlive, resourceWaitDelay: resourceWaitDelay,
            keepAliveTimeout: keepAliveTimeout, answerInterval: ackTimer)
    }
}
