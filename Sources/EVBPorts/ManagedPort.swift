package import EVBLog
package import EVBModel
package import EVBProtocol
package import EVBSettings
package import EVBTime
package import EVBWire
package import JSON
internal import LinuxSystem
package import Logging
internal import Netlink

/// What a list of VSIs needs of a port.
package protocol VSISource: AnyObject {
    /// The interface.
    var name: String { get }
    /// All VSIs, in no certain order.
    var vsiIDs: [VSIID] { get }
    /// The state of a VSI as managers see it; nil if there is none.
    func vsiState(_ vsiID: VSIID) -> EVBModel.VSIState?
    /// What of a VSI a list compares; nil if there is none.
    func vsiTraits(_ vsiID: VSIID) -> VSITraits?
    /// A VSI as managers see it; nil if there is none.
    func vsiStatus(_ vsiID: VSIID) -> VSIStatus?
    /// Writes the same as JSON; false, and nothing is written, if there is none.
    func writeVSI(_ vsiID: VSIID, to writer: inout JSONWriter) -> Bool
    /// A VSI with its managed objects; nil if there is none.
    func vsiDetails(_ vsiID: VSIID) -> VSIDetails?
}

/// A port as the daemon and its front doors see it, whichever side of the link it plays.
///
/// The station's side is ``StationPortController``, the bridge's ``BridgePortController``.
package protocol ManagedPort: VSISource {
    var transport: PortTransport { get }
    var configuration: PortSettings { get }
    /// Called with everything that is news.
    var onNews: ((PortNews) -> Void)? { get set }
    /// When that happened which the port's news are about, in nanoseconds of the loop's clock; nil where it happens now. A
    /// port with much to do carries it out later.
    var timeOfNews: UInt64? { get }

    /// Changes the settings of the port while it runs; its role and its interface stay.
    func reconfigure(_ configuration: PortSettings)
    /// Something about the port's interface, or about a link, has changed.
    func linkChanged(_ changed: String)
    /// A network namespace that links of this one may have gone to has ended.
    func namespaceEnded()
    /// Another port is at the other end from now on, which knows nothing of this one.
    func peerChanged()
    /// Begins to give back all that the port holds at its peer, where that takes the peer's answer.
    func releaseAll()
    /// Begins to leave: gives back all that the port holds, in parts if it is much.
    func beginToLeave()
    /// Whether there is nothing that `releaseAll` or `beginToLeave` would wait for.
    var isReleased: Bool { get }
    /// Gives up all that the port holds at its peer without waiting for the peer's answer any longer.
    func abandonAll()
    /// Says good-bye by LLDP and stops listening, for good: nothing of the port's stays in force.
    func leave()
    /// Does so as evbd stops. What may stay for the next evbd does.
    func stop()

    /// The port in brief.
    var status: PortStatus { get }
    /// Writes the same as JSON.
    func writeStatus(to writer: inout JSONWriter)
    /// The port in full: the `number`th, from 1, of `count`.
    func details(number: Int, of count: Int) -> PortDetails
    /// The port in brief, with these numbers of VSIs.
    func status(_ counts: VSICounts) -> PortStatus
    /// Places of VSIs: each VSI keeps its own, and some are free.
    var placeCount: Int { get }
    /// Counts the VSIs in some places by their states.
    func count(_ places: Range<Int>, into counts: inout VSICounts)
    /// How many VSIs the port has.
    var vsiCount: Int { get }
    /// What is wrong on the port now, causes before consequences; of many problems some.
    var problems: [PortProblem] { get }
    /// The same as it was a quarter of a second ago at the most, for clients that ask again and again: to look at many ports takes long.
    var recentProblems: [PortProblem] { get }
    /// From a request for an association to its grant.
    var associationTimes: DurationHistogram { get }
    /// From the first sending of an ECPDU to its acknowledgement.
    var ecpRoundTrips: DurationHistogram { get }
    /// The counters, by their names in the EVB MIB, or our own where it has none.
    var counters: StatisticsReport { get }
    /// What a line of the log says of a VSI; its identifier in any case.
    func logFacts(_ vsiID: VSIID) -> Logger.Metadata
    /// Whether there is such a VSI.
    func holds(_ vsiID: VSIID) -> Bool
    /// Where a VSI's traffic is counted.
    func trafficSource(of vsiID: VSIID) -> TrafficSource
    /// The counters of the port's rules; nil where it has none.
    var ruleCounters: (any RuleCounters)? { get }
    /// What a VSI's machine sends and receives, by what was counted; nil where nothing was.
    func traffic(of vsiID: VSIID, _ reading: TrafficReading) -> VSITraffic?
}

extension ManagedPort {
    package func beginToLeave() { releaseAll() }

    package func abandonAll() {}

    package func namespaceEnded() {}

    package var ruleCounters: (any RuleCounters)? { nil }

    package var status: PortStatus {
        var counts = VSICounts()
        count(0..<placeCount, into: &counts)
        return status(counts)
    }

    package var name: String { transport.name }

    /// The interface that the port shares with others as an S-channel; nil where it has one for itself.
    package var uplink: String? { configuration.channel?.uplink }

    package var logger: Logger { transport.logger }

    package var now: Instant { transport.now }

    /// When the port, and with it all of its counters, began.
    package var createdAt: Instant { transport.createdAt }

    /// The index of the interface, while it is there.
    package var interfaceIndex: Int32? { transport.link?.index }

    package func log(
        _ level: Logger.Level, _ message: String, _ metadata: @autoclosure () -> Logger.Metadata = [:],
        alert: LogAlert? = nil
    ) {
        transport.log(level, message, metadata(), alert: alert)
    }

    package func logFacts(_ vsiID: VSIID) -> Logger.Metadata { ["vsi": "\(vsiID)"] }

    /// The dialect that is spoken; while nobody is heard, the one configured.
    package func shownDialect(_ spoken: WireDialect, hasPeer: Bool) -> PortDialect {
        if hasPeer { return spoken == .draft ? .draft : .ratified }
        return switch configuration.dialect {
        case .auto: .auto
        case .ratified: .ratified
        case .draft: .draft
        }
    }

    /// Tells that the link came up or went down.
    ///
    /// - Parameters:
    ///   - isUp: whether it is up now.
    ///   - isExpected: whether an operator is at work on it, so that its end is no loss.
    package func announceLink(isUp: Bool, isExpected: Bool = false) {
        let count = vsiCount
        // A loss only where there was something to lose.
        let isLoss = !isUp && !isExpected && count > 0
        transport.changes.begin(
            "link \(isUp ? "up" : "down")", expecting: isUp ? max(count, transport.changes.lastLost) : count,
            isReturn: isUp)
        log(isLoss ? .warning : .notice, "link \(isUp ? "up" : "down")", alert: isLoss ? .portDown : nil)
        onNews?(
            PortNews(
                kind: .link, from: isUp ? "down" : "up", to: isUp ? "up" : "down",
                message: "the link is \(isUp ? "up" : "down")"))
    }
}

extension ECPSource {
    /// What the configuration says.
    package init(_ source: PortSettings.ECP.Source) { self = source == .any ? .any : .neighbour }
}

extension GroupAddresses {
    /// What the configuration says.
    package init(_ configuration: PortSettings) {
        self.init(further: configuration.groupAddress, peer: configuration.peerAddress)
    }
}

extension GroupAddresses {
    /// All addresses at which something is taken on a link.
    func all(own link: Link?) -> [MACAddress] {
        all + (peer == nil ? [] : [link?.ownAddress].compactMap(\.self))
    }
}

extension Link {
    /// The address by which frames are for this host alone.
    var ownAddress: MACAddress? { address.map { MACAddress(truncating: $0.value) } }
}

extension DialectChoice {
    /// What the configuration says.
    package init(_ dialect: PortSettings.Dialect) {
        self =
            switch dialect {
            case .auto: .automatic
            case .ratified: .ratified
            case .draft: .draft
            }
    }
}
