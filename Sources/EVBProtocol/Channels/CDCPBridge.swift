package import EVBTime
package import EVBWire

/// The bridge's side of CDCP (802.1Q 42.4): gives each channel that the station asks for an SVID, as long as there are any.
package struct CDCPBridge: CDCPMachine {
    package static let role = CDCPTLV.Role.bridge

    /// What the operator configured.
    package struct Configuration: Hashable, Sendable {
        /// AdminChnCap: channels that may be, the default one included; 1 to 167.
        package var capacity: Int
        /// LocalSVIDPool.
        package var svids: SVIDPool

        /// A capacity out of range counts as the nearest in it.
        package init(capacity: Int = CDCPTLV.channelsMax, svids: SVIDPool) {
            self.capacity = min(max(capacity, 1), CDCPTLV.channelsMax)
            self.svids = svids
        }
    }

    package private(set) var configuration: Configuration
    /// OperSVIDList: the channels that are given, but for the default one.
    package private(set) var channels: [SCID: SVID] = [:]
    /// What the station's channels last had, so that they get it again after a reboot of the station.
    package private(set) var held: [SCID: SVID]
    /// Whose the numbers in `held` are.
    package private(set) var station: LLDPIdentifier?
    private var remote: CDCPReading?
    private var refused: [SCID] = []

    /// Starts without a station; `held` are the SVIDs that `station` had in an earlier run.
    package init(configuration: Configuration, held: [SCID: SVID] = [:], station: LLDPIdentifier? = nil) {
        self.configuration = configuration
        self.held = held.filter { $0.value.isAssignable }
        self.station = station
    }

    /// OperChnCap: what both sides bear, the default channel included.
    package var capacity: Int { min(configuration.capacity, remote?.capacity ?? configuration.capacity) }

    package var outgoing: CDCPTLV {
        let pairs = channels.sorted { $0.key < $1.key }.map { SChannelPair($0.key, $0.value) }
        return CDCPTLV(role: Self.role, capacity: UInt16(configuration.capacity), pairs: [.default] + pairs)
    }

    package var faults: [CDCPFault] {
        guard let remote else { return [] }
        var faults = remote.faults
        if remote.channels.isEmpty { faults.append(.onlyDefault) }
        let wanted = remote.channels.count + 1
        if wanted > capacity { faults.append(.beyondCapacity(wanted: wanted, borne: capacity)) }
        if let first = refused.first { faults.append(.noSVID(first)) }
        return faults
    }

    package mutating func hear(_ reading: CDCPReading, from chassis: LLDPIdentifier) -> [SChannelEvent] {
        if chassis != station { held = [:] }
        station = chassis
        remote = reading
        return settle()
    }

    package static func answers(_ events: [SChannelEvent], after interval: Interval?) -> Bool {
        // A station that speaks before its time has begun, perhaps again, and waits to hear what it has.
        interval.map { $0 < LLDPAgent.transmitInterval / 2 } ?? false
    }

    package mutating func end(_ loss: PeerLoss) -> [SChannelEvent] {
        remote = nil
        refused = []
        defer { channels = [:] }
        return channelEvents(from: channels, to: [:]) { _ in .peer(loss) }
    }

    package mutating func reconfigure(_ configuration: Configuration) -> [SChannelEvent] {
        self.configuration = configuration
        return settle()
    }

    /// Gives what is asked for.
    ///
    /// A channel keeps what it has. Of the others those that ask for an SVID which is free get it; then those that had one before;
    /// then each the lowest that is free, before all of those that wait for the return of a channel of this station.
    private mutating func settle() -> [SChannelEvent] {
        let before = channels
        let wishes = remote?.channels ?? [:]
        let asked = wishes.keys.sorted().prefix(capacity - 1)
        channels = before.filter { asked.contains($0.key) && configuration.svids.contains($0.value) }
        var taken = Set(channels.values)
        for source in [wishes, held] {
            for scid in asked where channels[scid] == nil {
                guard let svid = source[scid], configuration.svids.contains(svid), taken.insert(svid).inserted else {
                    continue
                }
                channels[scid] = svid
            }
        }
        // Worked out once, for a station may ask for all its channels by each LLDPDU.
        let waiting = asked.filter { channels[$0] == nil }
        let free = waiting.isEmpty ? [] : configuration.svids.free(without: taken, last: Set(held.values))
        for (scid, svid) in zip(waiting, free) {
            taken.insert(svid)
            channels[scid] = svid
        }
        refused = Array(waiting.dropFirst(free.count))
        remember(taken)
        return channelEvents(from: before, to: channels) { scid in
            if wishes[scid] == nil { return .unwanted }
            return asked.contains(scid) ? .unassigned : .beyondCapacity
        }
    }

    /// What a channel has is what it gets again; what another has now is held for no return.
    private mutating func remember(_ taken: Set<SVID>) {
        held = held.filter { !taken.contains($0.value) && configuration.svids.contains($0.value) }
        held.merge(channels) { $1 }
        // A station that asks for ever other SCIDs is not remembered for ever.
        while held.count > CDCPTLV.channelsMax, let last = held.keys.filter({ channels[$0] == nil }).max() {
            held[last] = nil
        }
    }
}
