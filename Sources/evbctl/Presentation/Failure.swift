// What went wrong, in words and as an exit status.

internal import EVBControl
internal import JSON
internal import TerminalText

/// A failure as a user meets it.
struct Failure: Error, Equatable {
    /// Exit statuses, as interface.md promises them.
    enum Status {
        static let refused: Int32 = 1
        static let noDaemon: Int32 = 3
        static let noAnswer: Int32 = 4
        static let usage: Int32 = 64
        static let noPermission: Int32 = 77
    }

    /// What failed and why, and on the next line what to do.
    var text: String
    /// The exit status.
    var status: Int32
    /// The name of the failure for programs: the error of io.evbd without its interface, or one of evbctl's own.
    var name: String
    /// What failed and why.
    var message: String
    /// What to do about it; empty where there is nothing.
    var remedy: String

    /// The failure for programs.
    var json: JSONValue {
        .object([
            JSONValue.Member("error", .string(name)), JSONValue.Member("message", .string(message)),
            JSONValue.Member("remedy", .string(remedy)),
        ])
    }

    /// A failure that evbctl has met by itself.
    init(_ name: String, _ message: String, remedy: String, status: Int32) {
        (self.name, self.message, self.remedy, self.status) = (name, message, remedy, status)
        text = "evbctl: \(printable(message))\n  \(printable(remedy))"
    }

    init(_ error: ControlClientError) {
        let what: String
        let advice: String
        switch error {
        case .noDaemon(let socket, let cause):
            (what, advice) = Self.words(socket, cause)
            status = cause == .forbidden ? Status.noPermission : Status.noDaemon
            name = cause == .forbidden ? "NoPermission" : "NoDaemon"
        case .silent(let socket, let milliseconds):
            what = "evbd does not answer on \(socket): it took the call and said nothing for \(milliseconds / 1000) s"
            advice = "see its log (journalctl -u evbd); restart it if it hangs"
            status = Status.noDaemon
            name = "NoDaemon"
        case .closed(let socket):
            what = "evbd closed the connection on \(socket) before it answered"
            advice = "it may have been stopped, or serve as many clients as it takes; see journalctl -u evbd"
            status = Status.noDaemon
            name = "NoDaemon"
        case .garbled(let socket, let detail):
            what = "what answers on \(socket) is not understood: \(detail)"
            advice = "check that the socket is evbd's, and that evbctl is as new as evbd (evbctl version)"
            status = Status.noDaemon
            name = "NotUnderstood"
        case .refused(let error):
            what = error.message
            advice = error.hint
            name = error.shortName
            status =
                switch error.failure {
                case .noAnswer, .noBridge: Status.noAnswer
                case .invalidArgument: Status.usage
                case .readOnly, .notPermitted, .notShown: Status.noPermission
                case .noSuchPort, .noSuchVSI, .refused, .linkFailed, .busy, .invalidConfiguration, .endsVSIs,
                    .nothingToRetry, .typesNotFetched:
                    Status.refused
                }
        case .misunderstood(let error, let detail):
            what = "evbd does not take the call: \(error)\(detail.map { " (\($0))" } ?? "")"
            advice = "check that evbctl and evbd are of the same release (evbctl version)"
            status = Status.refused
            name = "NotUnderstood"
        }
        (message, remedy) = (what, advice)
        text = "evbctl: \(printable(what))"
        if case .refused(let error) = error, case .invalidConfiguration(let mistakes) = error.failure {
            // A line each, as evbd --check-config has them.
            let lines = mistakes.split(separator: "\n").map { "\n  \(printable(String($0)))" }
            text = "evbctl: the configuration has mistakes, and the one in force stays:" + lines.joined()
        }
        if !advice.isEmpty { text += "\n  \(printable(advice))" }
    }

    private static func words(_ socket: String, _ cause: ControlClientError.Cause) -> (String, String) {
        let start = "start evbd (systemctl start evbd), or name its socket with --socket or EVBCTL_SOCKET"
        let what = "evbd does not answer on \(socket)"
        return switch cause {
        case .absent: ("\(what): there is no such socket", start)
        case .abandoned: ("\(what): nobody listens there", start)
        case .forbidden: ("\(what): you may not use it", "run evbctl as root, or as a member of the socket's group")
        case .overrun: ("\(what): too many are waiting to be served", "try again, and see journalctl -u evbd")
        case .other(let text): ("\(what): \(text)", start)
        }
    }
}
