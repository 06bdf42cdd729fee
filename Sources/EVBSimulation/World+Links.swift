internal import EVBProtocol
internal import EVBTime
internal import EVBWire

extension World {
    /// Puts a frame on the link, where it meets its fate.
    mutating func transmit(_ frame: Frame, _ index: Int, toBridge: Bool) {
        let octets = frame.encoded()
        guard pairs[index].isLinkUp, !pairs[index].isCut, isQuiet || !random.chance(swarm.loss) else {
            note(.lost(byBridge: !toBridge, octets), index)
            return
        }
        carry(octets, index, toBridge: toBridge)
        if !isQuiet, random.chance(swarm.duplicate) { carry(octets, index, toBridge: toBridge) }
    }

    private mutating func carry(_ octets: [UInt8], _ index: Int, toBridge: Bool) {
        // On a quiet link a frame and its answer take less than the shortest ack timer there is here.
        let longest = isQuiet ? Interval.milliseconds(1) : swarm.delayMax
        let delay = Interval(nanoseconds: 1000 + random.next() % (longest.nanoseconds - 1000))
        var arrival = now + delay
        if isQuiet || !random.chance(swarm.reorder) {
            // A link keeps the order, unless it is told not to.
            let last = toBridge ? pairs[index].lastArrivals.0 : pairs[index].lastArrivals.1
            arrival = max(arrival, last)
            if toBridge { pairs[index].lastArrivals.0 = arrival } else { pairs[index].lastArrivals.1 = arrival }
        }
        var octets = octets
        let isCorrupt = !isQuiet && random.chance(swarm.corrupt)
        if isCorrupt {
            for _ in 0...random.below(3) { octets[random.below(octets.count)] ^= 1 << UInt8(random.below(8)) }
        }
        let event = Event.frame(
            station: index, toBridge: toBridge, octets: octets, epoch: pairs[index].linkEpoch, isCorrupt: isCorrupt)
        events.add(event, at: arrival)
    }

    /// A frame reaches the end of its link.
    mutating func arrive(
        _ index: Int, toBridge: Bool, _ octets: [UInt8], epoch: Int, isCorrupt: Bool
    ) throws(Ledger.Breach) {
        current = index
        guard pairs[index].isLinkUp, epoch == pairs[index].linkEpoch else { return }
        let frame: Frame
        do {
            frame = try Frame(decoding: octets)
        } catch {
            let header = octets.withUnsafeBytes { FrameHeader($0) }
            note(.unreadable(atBridge: toBridge, error), index)
            if toBridge {
                pairs[index].bridge.countUnreadable(error, header)
            } else {
                pairs[index].station.countUnreadable(error, header)
            }
            return
        }
        if isCorrupt {
            note(.note("the frame that arrives has flipped bits"), index)
            pairs[index].ledger.isTainted = true
            if toBridge { pairs[index].bridgeMonitor.misled() } else { pairs[index].stationMonitor.misled() }
        }
        note(.arrived(atBridge: toBridge, frame), index)
        if case .lldp = frame.payload {
            if toBridge { pairs[index].lastLLDP.0 = now } else { pairs[index].lastLLDP.1 = now }
        }
        let addresses = toBridge ? pairs[index].bridge.peerAddresses : pairs[index].station.peerAddresses
        // Flipped bits may have given it another source or another destination, with which it does not count.
        let isTheNeighbours = addresses.contains(frame.source) && GroupAddresses().includes(frame.header)
        if let (ecpdu, _) = frame.ecpdu, ecpdu.operation == .acknowledgement, isTheNeighbours {
            if toBridge {
                pairs[index].bridgeMonitor.acknowledged(ecpdu)
            } else {
                pairs[index].stationMonitor.acknowledged(ecpdu)
            }
        }
        if toBridge {
            try bridgeDoes(index) { [now] in $0.receive(frame, at: now) }
        } else {
            try stationDoes(index) { [now] in $0.receive(frame, at: now) }
        }
    }

    /// The link goes down, seen by both sides, and comes back later.
    mutating func flap(_ index: Int) throws(Ledger.Breach) {
        guard pairs[index].isLinkUp else { return }
        note(.note("link down"), index)
        pairs[index].isLinkUp = false
        pairs[index].linkEpoch += 1
        try stationDoes(index) { [now] in $0.setLink(up: false, at: now) }
        try bridgeDoes(index) { [now] in $0.setLink(up: false, at: now) }
        pairs[index].stationMonitor.reset()
        pairs[index].bridgeMonitor.reset()
        events.add(.linkRestored(station: index), at: now + .milliseconds(UInt64(random.within(1...20_000))))
    }

    mutating func restoreLink(_ index: Int) throws(Ledger.Breach) {
        current = index
        guard !pairs[index].isLinkUp else { return }
        note(.note("link up"), index)
        pairs[index].isLinkUp = true
        bridgeIsBack(index)
        try stationDoes(index) { [now] in $0.setLink(up: true, at: now) }
        try bridgeDoes(index) { [now] in $0.setLink(up: true, at: now) }
    }

    /// The link carries nothing for a while.
    mutating func cut(_ index: Int) {
        guard !pairs[index].isCut else { return }
        note(.note("link cut"), index)
        pairs[index].isCut = true
        let length = random.flag() ? random.within(10...5000) : random.within(5000...200_000)
        events.add(.linkUncut(station: index), at: now + .milliseconds(UInt64(length)))
    }
}
