internal import EVBControl
package import EVBHistory
internal import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBTime
package import EVBWire
internal import EventLoop
internal import LinuxSystem

// What has happened to VSIs, and what comes next.

/// Who keeps the histories of VSIs.
package protocol HistorySource: AnyObject {
    /// Milliseconds since 1970 (UTC).
    var now: Int { get }
    /// Gives what is known of a VSI, one for each port that it is or was on: now, or soon after a start, when all of it is read.
    func histories(
        of vsiID: VSIID, port: String?, then: @escaping ([(key: HistoryKey, entry: HistoryBook.Entry)]) -> Void)
}

extension DaemonService {
    func history(_ call: GetHistoryRequest, _ reply: ControlReplyHandle) throws(ControlError) {
        guard let vsiID = VSIID(call.vsiID) else { throw Self.unreadableVSIID(call.vsiID) }
        // A port that evbd runs no more has a history still.
        let name = call.port.map { directory.port($0)?.name ?? $0 }
        historySource?.histories(of: vsiID, port: name) { [weak self] found in
            guard let self else { return }
            if found.isEmpty {
                reply.fail(Self.noHistory(of: call))
            } else {
                reply.answer(.histories(found.map { self.history($0.key, $0.entry) }))
            }
        }
    }

    private static func noHistory(of call: GetHistoryRequest) -> ControlError {
        ControlError(
            .noSuchVSI(vsiID: call.vsiID, port: call.port),
            message: "evbd knows nothing of VSI \(call.vsiID)\(call.port.map { " on \($0)" } ?? "")",
            hint: "see evbctl vsi list; a history ends with the boot, and what is gone long is forgotten")
    }

    private func history(_ key: HistoryKey, _ entry: HistoryBook.Entry) -> VSIHistory {
        let port = directory.port(key.port)
        let now = historySource?.now ?? 0
        let role: PortRole
        var next: (words: String, at: Instant?)
        switch port {
        case .station(let station):
            role = .station
            next = Self.words(station.outlook(key.vsiID), port: key.port)
        case .bridge(let bridge):
            role = .bridge
            next = (
                bridge.holds(key.vsiID)
                    ? "held as long as the station keeps it alive" : "nothing is held here; the station may ask", nil
            )
        case nil:
            role = entry.events.contains { $0.kind == .asked } ? .station : .bridge
            next = ("evbd runs no port \(key.port) now", nil)
        }
        let ahead = next.at.map { Int(clamping: $0.since(timers.now).nanoseconds / 1_000_000) }
        return VSIHistory(
            vsiID: key.vsiID.description, port: key.port, leftOut: entry.leftOut,
            events: entry.events.map {
                VSIHistoryEvent(
                    number: $0.number, timeMilliseconds: $0.first, lastMilliseconds: $0.last, count: $0.count,
                    kind: $0.kind, reason: $0.reason,
                    message: $0.kind.message(on: role, reason: $0.reason, detail: $0.detail))
            },
            state: port?.common.vsiState(key.vsiID), next: next.words, nextMilliseconds: ahead.map { now + $0 },
            nowMilliseconds: now)
    }

    private static func words(_ outlook: VSIOutlook?, port: String) -> (words: String, at: Instant?) {
        switch outlook {
        case nil: ("it is not wanted here now", nil)
        case .keepsAlive: ("keep-alives hold it at the bridge", nil)
        case .waitsForBridge: ("it is asked for as soon as an EVB bridge is heard on \(port)", nil)
        case .isDrained: ("\(port) is drained; it is asked for when that ends", nil)
        case .waitsToBeSent(let command):
            ("\(command.words) waits until the bridge has taken what was sent before", nil)
        case .waitsForAnswer(let command, let until):
            ("the answer to \(command.words) is awaited, at the latest until", until)
        case .retries(let at): ("it is asked for again by itself", at)
        case .refusedForGood:
            (
                "not asked for any more, as the bridge has refused for good: correct the cause, then evbctl vsi retry",
                nil
            )
        case .idle: ("nothing is under way", nil)
        }
    }
}
