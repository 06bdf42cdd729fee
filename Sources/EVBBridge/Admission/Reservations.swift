internal import EVBProtocol
internal import EVBTime
internal import EVBWire

/// What the run before has left to VSIs whose stations have not spoken of them yet, and how long it is kept for them.
///
/// A station asks again for its VSIs when it hears the bridge, and at the latest with the next keep-alive. What it has not asked
/// for when toutKeepAlive has passed since it is heard is not wanted any more. A station that is not heard gets the time that an
/// LLDPDU of its holds besides. Values only.
struct Reservations {
    /// What is added to toutKeepAlive: ten thousand VSIs take some seconds.
    static let margin = Interval.seconds(10)

    /// A VSI, and the claim on what is kept for it.
    struct Entry {
        package let vsiID: VSIID
        package let claim: AddressLedger.Claim?
    }

    private struct Port {
        package var claims: [VSIID: AddressLedger.Claim?] = [:]
        var heardAt: Instant?
        package var until: Instant?
    }

    private var ports: [String: Port] = [:]

    /// VSIs for which something is kept.
    var count: Int { ports.values.reduce(0) { $0 + $1.claims.count } }

    /// Whether something is kept for a VSI on a port.
    func contains(_ holder: AddressLedger.Holder) -> Bool { ports[holder.port]?.claims[holder.vsiID] != nil }

    /// Keeps something for a VSI; without an end, as long as the port has not begun.
    mutating func add(_ holder: AddressLedger.Holder, _ claim: AddressLedger.Claim?) {
        ports[holder.port, default: Port()].claims.updateValue(claim, forKey: holder.vsiID)
    }

    /// The VSI has spoken, or does not need it any more.
    ///
    /// - Returns: what was kept for it.
    mutating func remove(_ holder: AddressLedger.Holder) -> Entry? {
        guard let claim = ports[holder.port]?.claims.removeValue(forKey: holder.vsiID) else { return nil }
        if ports[holder.port]?.claims.isEmpty == true { ports[holder.port] = nil }
        return Entry(vsiID: holder.vsiID, claim: claim)
    }

    /// Nothing is kept on a port any more.
    ///
    /// - Returns: what was.
    mutating func removeAll(on port: String) -> [Entry] {
        (ports.removeValue(forKey: port)?.claims ?? [:]).map { Entry(vsiID: $0.key, claim: $0.value) }
    }

    /// A port begins, with this toutKeepAlive of the configuration; its station is not heard yet.
    mutating func begin(_ port: String, keepAlive: Interval, at now: Instant) {
        guard ports[port]?.until == nil else { return }
        ports[port]?.until = now + BridgePort.stationSilenceMax + keepAlive + Self.margin
    }

    /// The station on a port is heard, or other timers are agreed with it.
    ///
    /// - Parameters:
    ///   - port: the port.
    ///   - isFound: whether it was not heard before.
    ///   - keepAlive: toutKeepAlive, as agreed.
    ///   - now: the time.
    mutating func heard(_ port: String, isFound: Bool, keepAlive: Interval, at now: Instant) {
        guard ports[port] != nil else { return }
        let heardAt = isFound ? now : ports[port]?.heardAt ?? now
        ports[port]?.heardAt = heardAt
        ports[port]?.until = heardAt + keepAlive + Self.margin
    }

    /// When the next port's time is over.
    var nextDeadline: Instant? { ports.values.lazy.compactMap(\.until).min() }

    /// The ports whose time is over.
    func overdue(at now: Instant) -> [String] {
        ports.filter { $0.value.until.map { $0 <= now } ?? false }.keys.sorted()
    }
}
