public import EVBTime

/// The four numbers that a station and a bridge agree on by the EVB TLV, and the times that follow from them.
public struct OperationalTimers: Hashable, Sendable {
    /// R, how often ECP sends again: 0 to 7.
    public var retries: UInt8
    /// RTE, ECP's ack timer as an exponent: 0 to 31.
    public var retransmissionExponent: UInt8
    /// RWD, how long the bridge may need, as an exponent: 0 to 31.
    public var resourceWaitDelayExponent: UInt8
    /// RKA, the keep-alive period as an exponent: 0 to 31.
    public var reinitKeepAliveExponent: UInt8

    /// Joins the four numbers; by default those that 802.1Q D.2.12 and the field use.
    public init(retries: UInt8 = 3, rte: UInt8 = 14, rwd: UInt8 = 20, rka: UInt8 = 20) {
        self.retries = min(retries, 7)
        retransmissionExponent = min(rte, 31)
        resourceWaitDelayExponent = min(rwd, 31)
        reinitKeepAliveExponent = min(rka, 31)
    }

    /// ackTimerInit (43.3.6.1): how long a transmission waits for its acknowledgement.
    public var ackTimer: Interval { .exponent(retransmissionExponent) }

    /// resourceWaitDelay (41.5.5.7): how long the bridge may work at a request.
    public var resourceWaitDelay: Interval { .exponent(resourceWaitDelayExponent) }

    /// reinitKeepAlive (41.5.5.5): how long a station may be silent about a VSI.
    public var reinitKeepAlive: Interval { .exponent(reinitKeepAliveExponent) }

    /// respWaitDelay (41.5.5.9): how long a station waits for the bridge's answer, 1.5 x (RWD + (2R + 1) x RTE).
    public var responseWaitDelay: Interval { (resourceWaitDelay + exchange) * 3 / 2 }

    /// toutKeepAlive (41.5.5.13): how long a bridge keeps a silent VSI, 1.5 x (RKA + (2R + 1) x RTE).
    public var keepAliveTimeout: Interval { (reinitKeepAlive + exchange) * 3 / 2 }

    /// The longest that a request and its answer can be under way in ECP, (2R + 1) x RTE.
    private var exchange: Interval { ackTimer * (2 * UInt64(retries) + 1) }
}
