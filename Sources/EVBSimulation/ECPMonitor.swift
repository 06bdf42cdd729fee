internal import EVBProtocol
internal import EVBWire

/// Watches what one side sends by ECP (802.1Q 43.3.7): at most 1 + R times the same octets, one PDU at a time. In the draft
/// R is 3, and what is sent again has the next number.
struct ECPMonitor {
    private var last: ECPDU?
    private var transmissions = 0
    private var isSettled = true
    /// The sender may have forgotten what was outstanding, or not.
    private var isUnsure = false
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
    mutating func reset() {
        isSettled = true
        isUnsure = false
    }

    /// A frame with flipped bits reaches the sender. In the draft it may take a capability from the peer, which ends VDP until
    /// the peer's next LLDPDU, and the peer is there all the time.
    mutating func misled() { isUnsure = true }

    /// Begins anew, for a sender that has restarted.
    mutating func restart() {
        last = nil
        reset()
    }

    /// An acknowledgement reaches the sender.
    mutating func acknowledged(_ ecpdu: ECPDU) {
        if ecpdu.sequence == last?.sequence, ecpdu.subtype == last?.subtype { reset() }
    }

    /// A frame leaves.
    mutating func sent(_ frame: Frame) throws(Ledger.Breach) {
        guard let (ecpdu, dialect) = frame.ecpdu, ecpdu.operation == .request else { return }
        switch dialect {
        case .ratified: try sent(ecpdu)
        case .draft: try sentInDraft(ecpdu)
        }
    }

    private mutating func sentInDraft(_ ecpdu: ECPDU) throws(Ledger.Breach) {
        let transmissionsMost = 1 + Int(ProtocolTimes.draft.retries)
        if let last {
            guard last.sequence != ecpdu.sequence else {
                throw Ledger.Breach(
                    rule: "what is sent again in the draft has a new number", detail: "number \(ecpdu.sequence)")
            }
            if !isSettled, !isUnsure, transmissions < transmissionsMost {
                guard last.payload == ecpdu.payload, last.sequence &+ 1 == ecpdu.sequence else {
                    throw Ledger.Breach(
                        rule: "one ECPDU is outstanding at a time",
                        detail: "\(ecpdu.sequence) after \(transmissions) transmissions, the last \(last.sequence)")
                }
                self.last = ecpdu
                transmissions += 1
                return
            }
        }
        last = ecpdu
        transmissions = 1
        isSettled = false
    }

    private mutating func sent(_ ecpdu: ECPDU) throws(Ledger.Breach) {
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

extension Frame {
    /// What it carries of ECP, and in which dialect.
    var ecpdu: (ecpdu: ECPDU, dialect: WireDialect)? {
        switch payload {
        case .lldp: nil
        case .ecp(let ecpdu): (ecpdu, .ratified)
        case .draftECP(let draft):
            (ECPDU(operation: draft.operation, sequence: draft.sequence, payload: draft.payload), .draft)
        }
    }
}
