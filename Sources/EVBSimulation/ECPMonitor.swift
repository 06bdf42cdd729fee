internal import EVBProtocol
internal import EVBWire

/// Watches what one side sends by ECP (802.1Q 43.3.7): at most 1 + R times the same octets, one PDU at a time.
struct ECPMonitor {
    private var last: ECPDU?
    private var transmissions = 0
    private var isSettled = true
    /// The largest and the smallest R that held while the PDU was outstanding.
    private var retriesMost: UInt8 = 0
    private var retriesLeast: UInt8 = 0
    private var retries: UInt8

    init(retries: UInt8) { self.retries = retries }

    /// R has changed.
    mutating func retriesChanged(to retries: UInt8) {
        self.retries = retries
        retriesMost = max(retriesMost, retries)
        retriesLeast = min(retriesLeast, retries)
    }

    /// The link or the peer is gone, or the sender itself: what was outstanding is not any more.
    mutating func reset() { isSettled = true }

    /// Begins anew, for a sender that has restarted.
    mutating func restart() {
        last = nil
        isSettled = true
    }

    /// An acknowledgement reaches the sender.
    mutating func acknowledged(_ ecpdu: ECPDU) {
        if ecpdu.sequence == last?.sequence, ecpdu.subtype == last?.subtype { isSettled = true }
    }

    mutating func sent(_ ecpdu: ECPDU) throws(Ledger.Breach) {
        if let last, last.sequence == ecpdu.sequence, !isSettled {
            guard last == ecpdu else {
                throw Ledger.Breach(
                    rule: "a repetition has the same octets", detail: "sequence number \(ecpdu.sequence)")
            }
            transmissions += 1
            guard transmissions <= 1 + Int(retriesMost) else {
                throw Ledger.Breach(
                    rule: "at most 1 + R transmissions of one ECPDU",
                    detail: "transmission \(transmissions) of \(ecpdu.sequence), R = \(retriesMost)")
            }
            return
        }
        if let last, last.sequence == ecpdu.sequence {
            throw Ledger.Breach(
                rule: "a PDU that is acknowledged or given up is not sent again, nor is its number used again",
                detail: "sequence number \(ecpdu.sequence)")
        }
        guard isSettled || transmissions >= 1 + Int(retriesLeast) else {
            throw Ledger.Breach(
                rule: "one ECPDU is outstanding at a time",
                detail: "\(ecpdu.sequence) after \(transmissions) transmissions of \(last?.sequence ?? 0)")
        }
        last = ecpdu
        transmissions = 1
        isSettled = false
        (retriesMost, retriesLeast) = (retries, retries)
    }
}
