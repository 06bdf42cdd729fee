internal import EVBTime
internal import EVBWire

extension LibvirtLedger {
    /// What a poll waits for.
    private enum Aim {
        /// Nothing: what it asks about is decided, or is not known here.
        case nothing
        case vsi(VSIID)
        /// The first of its caller's VSIs that has news and no poll of its own.
        case any
    }

    /// Which VSI a poll is about. It says only which libvirtd it is from, whose threads poll one VSI each: at once after the
    /// request, and again 125 ms after each answer.
    private func aim(_ caller: Caller, at now: Instant) -> Aim {
        let newest = caller.unpolled.newest
        if let newest, let entry = entries[newest], now.since(entry.requestedAt) <= Self.firstPoll {
            return .vsi(newest)
        }
        // Somebody may wait for an outcome that is there, and must not wait for another one.
        if !caller.unread.isEmpty { return .nothing }
        if caller.polled.count > caller.polls { return .any }
        // With a poll for each that is polled, one more is about an outcome, or about a request whose first poll is late.
        return newest.map { .vsi($0) } ?? .nothing
    }

    /// Takes a poll: it waits for the bridge's answer to what it is about.
    ///
    /// - Returns: whether it is held; if not, it is to be answered now.
    func poll(_ poll: Poll, at now: Instant) -> Bool {
        counters.polls &+= 1
        guard let caller = callers[poll.header.port] else { return false }
        let aim = aim(caller, at: now)
        if case .nothing = aim {
            // The bridge may have answered before the first poll, which libvirt sends at once.
            if let newest = caller.vsis.newest, caller.unread.contains(newest), let entry = entries[newest],
                now.since(entry.requestedAt) <= Self.firstPoll
            {
                noteRead(newest)
            }
            return false
        }
        var aimed: VSIID?
        if case .vsi(let vsi) = aim {
            aimed = vsi
            caller.unpolled.remove(vsi)
            caller.polled.insert(vsi)
            awaited.insert(vsi)
            entries[vsi]?.isPolled = true
        }
        guard held.count < Self.heldMax else {
            counters.holdsDeclined &+= 1
            return false
        }
        counters.pollsHeld &+= 1
        lastPoll &+= 1
        held[lastPoll] = HeldPoll(poll: poll, deadline: now + Self.hold, vsi: aimed)
        heldOrder.insert(lastPoll)
        if let aimed {
            entries[aimed]?.heldPoll = lastPoll
            caller.aimedPolls += 1
        } else {
            caller.otherPolls.append(lastPoll)
        }
        return true
    }

    /// Holds a poll no longer.
    func release(_ number: UInt64) -> Poll? {
        guard let released = held.removeValue(forKey: number) else { return nil }
        heldOrder.remove(number)
        let port = released.poll.header.port
        if let vsi = released.vsi {
            callers[port]?.aimedPolls -= 1
            if entries[vsi]?.heldPoll == number { entries[vsi]?.heldPoll = nil }
        } else {
            callers[port]?.otherPolls.removeAll { $0 == number }
        }
        dropIfIdle(port)
        return released.poll
    }

    /// Holds no poll any longer.
    func releaseAll() -> [Poll] {
        Array(heldOrder).reversed().compactMap { release($0) }
    }

    /// The VSIs that the answer to a poll shows, in this order: all of the caller's, those that it can be waiting for
    /// first; then the newest of others', for lldpad shows all to everybody. Bounded by `entriesMax`.
    func answer(to poll: Poll) -> [(instance: VSIID, response: UInt16?)] {
        let port = poll.header.port
        var shown: [VSIID] = []
        if let caller = callers[port] {
            if caller.vsis.count <= Self.entriesMax {
                shown = Array(caller.vsis)
            } else {
                shown = Array(caller.unpolled.prefix(Self.entriesMax / 4))
                shown += caller.polled.prefix(Self.entriesMax / 4)
                shown += caller.unread.prefix(Self.entriesMax / 4)
                let first = Set(shown)
                for vsi in caller.vsis {
                    guard shown.count < Self.entriesMax else { break }
                    if !first.contains(vsi) { shown.append(vsi) }
                }
            }
            if !caller.unread.isEmpty { caller.unread.subtract(shown) }
        }
        // Who has VSIs asks about one of them: a thousand such answers are not to cost a million entries.
        let room = min(Self.entriesMax - shown.count, shown.isEmpty ? Self.entriesMax : Self.othersMax)
        if room > 0, shown.count < vsis.count {
            shown += vsis.prefix(Self.entriesMax).lazy.filter { self.entries[$0]?.eventPort != port }.prefix(room)
        }
        return shown.compactMap { vsi in entries[vsi].map { (vsi, $0.response) } }
    }
}
