internal import EVBTime
internal import EVBWire

/// ECP's receive machine (802.1Q 43.3.8): tells what is new from what is repeated. Both are acknowledged.
struct ECPReceiver {
    private struct Last {
        let ecpdu: ECPDU
        let received: Instant
    }

    private var last: Last?

    /// Whether this request is to be delivered.
    ///
    /// A repetition carries the number and the octets of the one before it, and comes while its sender can still be
    /// repeating it. A peer that has restarted may by chance use the same number again; by content or by time its PDU is
    /// told apart, and delivered.
    mutating func isNew(_ ecpdu: ECPDU, timers: ProtocolTimes, at now: Instant) -> Bool {
        // Twice the time in which a sender makes all its transmissions, for a sender with a longer timer than ours.
        let repetition = timers.ackTimer * (2 * (UInt64(timers.retries) + 1))
        if let last, last.ecpdu == ecpdu, now.since(last.received) <= repetition {
            return false
        }
        last = Last(ecpdu: ecpdu, received: now)
        return true
    }

    /// The link is down, or the peer is gone: the next request is new whatever its number.
    mutating func reset() {
        last = nil
    }
}
