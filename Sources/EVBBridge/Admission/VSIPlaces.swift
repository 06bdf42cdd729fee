// On which bridge port a VSI is associated, and which ports it has left. Values only.

internal import EVBProtocol
internal import EVBTime
internal import EVBWire

/// The ports where the VSIs of a bridge are associated: each VSI on one at a time.
///
/// A VSI moves to the port that associates it last: that is a migration, in which the machine already runs behind the new port,
/// and the old station's De-Associate follows. A station cannot prove that it is the destination (M is a hint that stations
/// may leave out), so that each claim counts once: the port that has lost the VSI does not get it back by asking on, as its
/// keep-alives do, while the VSI is kept alive at the new one. It gets it back when the VSI has ended there, and it may take
/// part in a new migration after it has ended the VSI itself, has begun with a Pre-Associate (as a migration's destination
/// does), or has been silent for longer than a station waits between two attempts.
package struct VSIPlaces {
    /// Longer than the five minutes that evbd's station waits at most before it asks again, with one request lost.
    static let silenceMax = Interval.seconds(700)
    /// How long after a move requests from the old port are no contest: a keep-alive may have crossed it, and the old station asks on
    /// until the machine has ended there, which takes libvirt 11.3 a moment.
    static let crossing = Interval.seconds(5)

    /// What is to become of a request.
    package enum Verdict: Equatable {
        /// It may be decided on.
        case free
        /// The VSI has moved from here to `port`. `isNews` tells once that two stations keep the VSI alive.
        case moved(to: String, isNews: Bool)
    }

    /// A port that has lost a VSI to another.
    private struct Former {
        var lastAsked: Instant
        let movedAt: Instant
        var refusals = 0
        var isReported = false
    }

    private struct Place {
        var port: String
        var former: [String: Former] = [:]
    }

    /// Stations on two ports keep one VSI alive.
    struct Contest: Hashable {
        let vsiID: VSIID
        /// Where it is associated.
        let holder: String
        /// Where it is asked for.
        let asker: String
    }

    private var places = ShardedDictionary<VSIID, Place>()
    /// VSIs with a former port that was reported; there may be more of them here.
    private var contested: Set<VSIID> = []

    /// Where a VSI is associated.
    func port(of vsiID: VSIID) -> String? { places[vsiID]?.port }

    /// VSIs that are associated.
    var count: Int { places.count }

    /// The ports that have lost a VSI, as far as that matters still.
    func formerPorts(of vsiID: VSIID) -> Set<String> { places[vsiID].map { Set($0.former.keys) } ?? [] }

    /// A VSI was associated on a port when evbd ended, and on these ports before that.
    mutating func restore(_ vsiID: VSIID, on port: String, formerPorts: Set<String>, at now: Instant) {
        guard places[vsiID] == nil else { return }
        var place = Place(port: port)
        for former in formerPorts where former != port {
            place.former[former] = Former(lastAsked: now, movedAt: now)
        }
        places[vsiID] = place
    }

    /// Whether stations on other ports keep a VSI alive that is associated on this one, or this one's on another.
    func isContested(_ vsiID: VSIID) -> Bool {
        places[vsiID]?.former.values.contains { $0.isReported } ?? false
    }

    /// The contests that a port has a part in and that are not over, in no certain order.
    func contests(on port: String, at now: Instant, limit: Int) -> [Contest] {
        var found: [Contest] = []
        for vsiID in contested {
            guard let place = places[vsiID] else { continue }
            for (asker, former) in place.former
            where former.isReported && (asker == port || place.port == port)
                && now.since(former.lastAsked) <= Self.silenceMax
            {
                guard found.count < limit else { return found }
                found.append(Contest(vsiID: vsiID, holder: place.port, asker: asker))
            }
        }
        return found
    }

    /// A former port is none any more.
    private mutating func forgetFormer(_ port: String, of vsiID: VSIID) {
        guard places[vsiID]?.former.removeValue(forKey: port) != nil else { return }
        if !isContested(vsiID) { contested.remove(vsiID) }
    }

    /// Judges a request by where the VSI is.
    mutating func judge(_ request: BridgeRequest, on port: String, at now: Instant) -> Verdict {
        guard let place = places[request.vsiID], place.port != port, var former = place.former[port] else {
            return .free
        }
        let isNewMigration =
            request.command == .preAssociate || request.command == .preAssociateWithReservation
            || now.since(former.lastAsked) > Self.silenceMax
        guard !isNewMigration else {
            forgetFormer(port, of: request.vsiID)
            return .free
        }
        former.lastAsked = now
        // A suspended machine is the source of a migration, which says that it knows.
        if request.hint != .suspended { former.refusals &+= 1 }
        let isContested = former.refusals > 0 && now.since(former.movedAt) > Self.crossing
        let isNews = isContested && !former.isReported
        if isNews {
            former.isReported = true
            contested.insert(request.vsiID)
        }
        places[request.vsiID]?.former[port] = former
        return .moved(to: place.port, isNews: isNews)
    }

    /// A VSI is associated on a port.
    ///
    /// - Returns: the port where it was associated before, if that was another.
    mutating func associated(_ vsiID: VSIID, on port: String, at now: Instant) -> String? {
        guard var place = places[vsiID] else {
            places[vsiID] = Place(port: port)
            return nil
        }
        guard place.port != port else { return nil }
        let loser = place.port
        forgetFormer(port, of: vsiID)
        place.former[port] = nil
        place.port = port
        place.former[loser] = Former(lastAsked: now, movedAt: now)
        places[vsiID] = place
        return loser
    }

    /// A VSI is not associated on a port any more.
    mutating func ended(_ vsiID: VSIID, on port: String) {
        guard places[vsiID]?.port == port else { return }
        places[vsiID] = nil
        contested.remove(vsiID)
    }

    /// The station on a port has de-associated a VSI that it had lost.
    mutating func departed(_ vsiID: VSIID, from port: String) {
        forgetFormer(port, of: vsiID)
    }
}
