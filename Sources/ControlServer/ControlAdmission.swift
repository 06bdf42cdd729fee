// Who gets a place at the control socket when there are none left: a pure decision, so that nobody can keep others out.

/// A client as far as its place is concerned.
struct ControlPlace: Equatable {
    /// How dispensable a client is, the most dispensable first.
    enum Use: Int, Comparable {
        /// It waits for nothing: no call of its is in hand.
        case idle
        /// It has been told something and does not read it, or has gone and left calls behind.
        case stuck
        /// A call of its is in hand, or it monitors.
        case busy

        static func < (left: Use, right: Use) -> Bool { left.rawValue < right.rawValue }
    }

    let user: UInt32
    let use: Use
    /// When it last said or took something, in nanoseconds.
    let lastActive: UInt64
}

/// What becomes of a client that has just connected.
enum ControlAdmission: Equatable {
    /// There is a place for it.
    case admitted
    /// It takes the place of the one at this index.
    case inPlaceOf(Int)
    /// There is none, for it or for one of its user.
    case refused

    /// Decides on a client of `user`, where `places` are taken and either its user's share or all of them are.
    ///
    /// Within a user's share a newcomer takes the place of the client that has been idle or stuck for longest, so that
    /// connections that were left open keep nobody out, and calls in hand are finished. Where all places are taken, the user
    /// that has most of them gives one up, to a user that has fewer, if need be in the middle of a call.
    static func decide(user: UInt32, among places: [ControlPlace], limits: ControlServer.Limits) -> ControlAdmission {
        var counts: [UInt32: Int] = [:]
        for place in places { counts[place.user, default: 0] += 1 }
        let own = counts[user, default: 0]
        guard own >= limits.clientsPerUser || places.count >= limits.clients else { return .admitted }
        var heaviest = user
        if own < limits.clientsPerUser {
            // The smaller number where two have as many: the same answer every time.
            heaviest = counts.min { ($1.value, $0.key) < ($0.value, $1.key) }?.key ?? user
        }
        let mayInterrupt = counts[heaviest, default: 0] > own + 1
        let victim = places.indices
            .filter { places[$0].user == heaviest && (places[$0].use < .busy || mayInterrupt) }
            .min { (places[$0].use, places[$0].lastActive) < (places[$1].use, places[$1].lastActive) }
        return victim.map { .inPlaceOf($0) } ?? .refused
    }
}
