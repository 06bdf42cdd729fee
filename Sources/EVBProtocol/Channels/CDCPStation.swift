package import EVBTime
package import EVBWire

/// The station's side of CDCP (802.1Q 42.4): asks for channels, and takes the SVIDs that the bridge gives.
package struct CDCPStation: CDCPMachine {
    package static let role = CDCPTLV.Role.station

    /// What the operator configured.
    package struct Configuration: Hashable, Sendable {
        /// AdminChnCap: channels that may be, the default one included; 1 to 167.
        package var capacity: Int
        /// AdminSVIDWants: the channels but for the default one, with the SVID to ask for; `unassigned` leaves it to the bridge.
        package var wanted: [SCID: SVID]

        /// A capacity out of range counts as the nearest in it. Channels that cannot be asked for are left out.
        package init(capacity: Int = CDCPTLV.channelsMax, wanted: [SCID: SVID]) {
            self.capacity = min(max(capacity, 1), CDCPTLV.channelsMax)
            self.wanted = wanted.filter { $0.key > .default && ($0.value == .unassigned || $0.value.isAssignable) }
        }
    }

    package private(set) var configuration: Configuration
    /// OperSVIDList: the channels that are up, but for the default one.
    package private(set) var channels: [SCID: SVID] = [:]
    /// What each channel last had, by which it is asked for again: a reboot of the bridge changes no S-tag if it can help it.
    package private(set) var last: [SCID: SVID]
    private var remote: CDCPReading?
    /// Channels that are not asked for any more, as long as the bridge may not have heard of it.
    private var dropped: Set<SCID> = []

    /// Starts without a bridge; `last` are the SVIDs of an earlier run.
    package init(configuration: Configuration, last: [SCID: SVID] = [:]) {
        self.configuration = configuration
        self.last = last.filter { $0.value.isAssignable }
    }

    /// OperChnCap: what both sides bear, the default channel included.
    package var capacity: Int { min(configuration.capacity, remote?.capacity ?? configuration.capacity) }

    /// The channels that are asked for: those of the lowest SCIDs, if not all.
    private var asked: ArraySlice<SCID> { configuration.wanted.keys.sorted().prefix(capacity - 1) }

    package var outgoing: CDCPTLV {
        let pairs = asked.map { SChannelPair($0, channels[$0] ?? wish(for: $0)) }
        return CDCPTLV(
            role: Self.role, capacity: UInt16(configuration.capacity), pairs: [.default] + withoutRepetition(pairs))
    }

    /// The SVID to ask for: what the operator says, else what the channel last had.
    private func wish(for scid: SCID) -> SVID {
        let configured = configuration.wanted[scid] ?? .unassigned
        return configured == .unassigned ? last[scid] ?? .unassigned : configured
    }

    /// Two channels never ask for one SVID: those that are up come first, then the lower SCID.
    private func withoutRepetition(_ pairs: [SChannelPair]) -> [SChannelPair] {
        var taken = Set(pairs.compactMap { channels[$0.scid] })
        return pairs.map { pair in
            guard channels[pair.scid] == nil, pair.svid != .unassigned else { return pair }
            return taken.insert(pair.svid).inserted ? pair : SChannelPair(pair.scid, .unassigned)
        }
    }

    package var faults: [CDCPFault] {
        guard let remote else { return [] }
        var faults = remote.faults
        let asked = Set(asked)
        if let foreign = remote.channels.keys.filter({ !asked.contains($0) && !dropped.contains($0) }).min() {
            faults.append(.unaskedChannel(foreign))
        }
        let wanted = configuration.wanted.count + 1
        if wanted > capacity { faults.append(.beyondCapacity(wanted: wanted, borne: capacity)) }
        return faults
    }

    package mutating func hear(_ reading: CDCPReading, from chassis: LLDPIdentifier) -> [SChannelEvent] {
        remote = reading
        dropped.formIntersection(reading.channels.keys)
        return settle()
    }

    package static func answers(_ events: [SChannelEvent], after interval: Interval?) -> Bool {
        // A bridge that gives a channel no more has rebooted: it does not know what is asked for.
        events.contains { $0.change == .down(.unassigned) }
    }

    package mutating func end(_ loss: PeerLoss) -> [SChannelEvent] {
        remote = nil
        dropped = []
        defer { channels = [:] }
        return channelEvents(from: channels, to: [:]) { _ in .peer(loss) }
    }

    package mutating func reconfigure(_ configuration: Configuration) -> [SChannelEvent] {
        self.configuration = configuration
        last = last.filter { configuration.wanted[$0.key] != nil }
        return settle()
    }

    /// What is in force by what is asked for and what the bridge gives.
    private mutating func settle() -> [SChannelEvent] {
        let (before, asked) = (channels, asked)
        defer { dropped.formUnion(before.keys.filter { !asked.contains($0) }) }
        channels = Dictionary(
            uniqueKeysWithValues: asked.compactMap { scid in remote?.channels[scid].map { (scid, $0) } })
        // An SVID that another channel has now is asked for by that one alone.
        let taken = Set(channels.values)
        last = last.filter { !taken.contains($0.value) }.merging(channels) { $1 }
        return channelEvents(from: before, to: channels) { scid in
            if configuration.wanted[scid] == nil { return .unwanted }
            return asked.contains(scid) ? .unassigned : .beyondCapacity
        }
    }
}
