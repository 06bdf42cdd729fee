internal import EVBTime
internal import EVBWire

/// ECP's receive machine (802.1Q 43.3.8): tells what is new from what is repeated. Both are acknowledged.
struct ECPReceiver {
    private struct Last {
        let operation: ECPDU.Operation
        let subtype: ECPDU.Subtype
        let sequence: UInt16
        let received: Instant

        func isLike(_ ecpdu: ECPDU) -> Bool {
            sequence == ecpdu.sequence && subtype == ecpdu.subtype && operation == ecpdu.operation
        }
    }

    private var last: Last?
    /// Its payload: in memory of its own, as the sender's is used for the next frame.
    private var lastPayload: [UInt8] = []

    /// Whether this request is to be delivered.
    ///
    /// A repetition carries the number and the octets of the one before it, and comes while its sender can still be
    /// repeating it. A peer that has restarted may by chance use the same number again; by content or by time its PDU is
    /// told apart, and delivered.
    mutating func isNew(_ ecpdu: ECPDU, timers: ProtocolTimes, at now: Instant) -> Bool {
        guard !isRepetition(ecpdu, timers: timers, at: now) else { return false }
        note(ecpdu, at: now)
        return true
    }

    /// Whether this request is the last one once more.
    func isRepetition(_ ecpdu: ECPDU, timers: ProtocolTimes, at now: Instant) -> Bool {
        // Twice the time in which a sender makes all its transmissions, for a sender with a longer timer than ours.
        let repetition = timers.ackTimer * (2 * (UInt64(timers.retries) + 1))
        guard let last, last.isLike(ecpdu) else { return false }
        return now.since(last.received) <= repetition && lastPayload == ecpdu.payload
    }

    /// This request is delivered.
    mutating func note(_ ecpdu: ECPDU, at now: Instant) {
        last = Last(operation: ecpdu.operation, subtype: ecpdu.subtype, sequence: ecpdu.sequence, received: now)
        lastPayload.removeAll(keepingCapacity: true)
        lastPayload.append(contentsOf: ecpdu.payload)
    }

    /// The link is down, or the peer is gone: the next request is new whatever its number.
    mutating func reset() {
        last = nil
        lastPayload = []
    }
}
