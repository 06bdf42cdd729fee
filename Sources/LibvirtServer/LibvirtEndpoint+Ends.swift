internal import EVBPorts
internal import EVBTime
package import EVBWire
internal import EventLoop
internal import Logging

// When libvirt wants a VSI no more without saying so, and what it hears of VSIs that it wants.
//
// A failure that libvirt reads ends its wish: it deletes the link at once, and says nothing more. A poll names no VSI, so
// that it may be taken for another one's; the link is the second witness. Where it stays, a machine runs.

extension LibvirtEndpoint {
    /// How long libvirt may take to delete the link of a request whose failure it has read. It polls each 125 ms. The port asks
    /// for nothing again within a second.
    private static let doubt = Interval.milliseconds(750)
    /// How often a loss that could not be sent is sent again, and how many in one turn.
    private static let deliveryInterval = Interval.seconds(2)
    private static let deliveriesPerTurn = 256

    /// A failure that libvirt has read while there was a link.
    struct Doubt {
        var port: String
        var vsi: VSIID
        var order: UInt64
        var due: Instant
    }

    // MARK: Failures

    func lookAtReadFailures(of port: String) {
        guard let ledger = served[port]?.ledger else { return }
        for (vsi, order) in ledger.takeReadFailures() {
            guard station(port, of: vsi)?.hasGuestLink(vsi) == true else {
                end(vsi, on: port)
                continue
            }
            doubts.append(Doubt(port: port, vsi: vsi, order: order, due: timers.now + Self.doubt))
            doubtTimer.set(doubts.first?.due)
        }
    }

    func settleDoubts() {
        while let doubt = doubts.first, doubt.due <= timers.now {
            _ = doubts.popFirst()
            guard let ledger = served[doubt.port]?.ledger, ledger.entries[doubt.vsi]?.order == doubt.order else {
                continue
            }
            guard station(doubt.port, of: doubt.vsi)?.hasGuestLink(doubt.vsi) == true else {
                end(doubt.vsi, on: doubt.port)
                continue
            }
            logger.notice(
                "libvirt's request failed and its link is still there: evbd goes on asking",
                metadata: facts(doubt.vsi, doubt.port))
        }
        doubtTimer.set(doubts.first?.due)
    }

    /// libvirt has given a VSI up. What the bridge may have granted since is taken back.
    private func end(_ vsi: VSIID, on port: String) {
        served[port]?.ledger.settle(vsi, at: timers.now)
        try? station(port, of: vsi)?.withdraw(vsi, because: "libvirt, which has deleted its link", waiter: nil)
    }

    // MARK: Losses

    /// The bridge has taken a VSI back, or does not grant again what it had granted. libvirt hears of it and asks again, once;
    /// evbd asks until the bridge grants it.
    package func lost(_ vsiID: VSIID, on port: String) { lose(vsiID, on: port, isKept: true) }

    /// A VSI is bound again, or at last.
    package func regained(_ vsiID: VSIID, on port: String) {
        let port = root(of: port)
        guard let served = served[port] else { return }
        answerLater(served.ledger.regain(vsiID, at: timers.now), of: port)
        served.timer.set(served.ledger.nextDeadline)
    }

    /// The port knows nothing of a VSI any more. `isSilent`: libvirt hears nothing of it, for its machine has ended.
    package func forgotten(_ vsiID: VSIID, on port: String, isSilent: Bool) {
        guard !served.isEmpty else { return }
        let port = root(of: port)
        if !isSilent { lose(vsiID, on: port, isKept: false) }
        guard let served = served[port] else { return }
        served.ledger.settle(vsiID, at: timers.now)
        served.timer.set(served.ledger.nextDeadline)
    }

    private func lose(_ vsiID: VSIID, on port: String, isKept: Bool) {
        let port = root(of: port)
        guard let served = served[port], let lost = served.ledger.lose(vsiID, isKept: isKept, at: timers.now) else {
            return
        }
        answerLater(lost.answered, of: port)
        served.timer.set(served.ledger.nextDeadline)
        guard tellLoss(lost.entry, on: port) else {
            logger.notice(
                "libvirt has no room for the news that a VSI is lost; it is sent again",
                metadata: facts(vsiID, port))
            served.ledger.setDelivered(vsiID, false)
            return deliveryTimer.set(timers.now + Self.deliveryInterval)
        }
        logger.info("libvirt is told that a VSI is lost", metadata: facts(vsiID, port))
    }

    /// Sends losses again that their libvirtd had no room for, or was not there for.
    func deliverAgain() {
        var deaf: Set<UInt32> = []
        var isIncomplete = false
        var triesLeft = Self.deliveriesPerTurn
        for (port, served) in served {
            for vsi in Array(served.ledger.undelivered) {
                guard triesLeft > 0, let entry = served.ledger.entries[vsi], !deaf.contains(entry.eventPort) else {
                    continue
                }
                triesLeft -= 1
                let isDelivered = tellLoss(entry, on: port)
                served.ledger.setDelivered(vsi, isDelivered)
                if !isDelivered { deaf.insert(entry.eventPort) }
                if isDelivered {
                    logger.notice(
                        "libvirt has got the news, late, that a VSI is lost",
                        metadata: facts(vsi, port))
                }
            }
            if !served.ledger.undelivered.isEmpty { isIncomplete = true }
        }
        if isIncomplete { deliveryTimer.set(timers.now + Self.deliveryInterval) }
    }
}
