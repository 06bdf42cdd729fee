public import EVBModel

extension VSIHistoryEvent.Kind {
    /// What happened on a port of a role, as a sentence for people; `detail` is who or what, as the port has it.
    public func message(on role: PortRole, reason: VSIReason?, detail: String?) -> String {
        let with = detail.map { ": \($0)" } ?? ""
        let why = reason.map { ": \($0.rawValue), \($0.explanation)" } ?? ""
        let isStation = role == .station
        return switch self {
        case .requested: isStation ? "asked for\(detail.map { " by \($0)" } ?? "")" : "the station asks\(with)"
        case .restored: "evbd has started, and its store has the VSI\(with)"
        case .withdrawn: "taken back\(detail.map { " by \($0)" } ?? "")"
        case .retried: "an operator has it asked for again\(with)"
        case .asked: "asked the bridge\(detail.map { " to \($0)" } ?? "")"
        case .askedAgain: "no answer yet, asked the bridge again\(detail.map { " to \($0)" } ?? "")"
        case .granted: isStation ? "the bridge has granted\(with)" : "granted\(with)"
        case .refused: "\(isStation ? "the bridge has refused" : "refused")\(why)"
        case .refusedHard: "\(isStation ? "the bridge has refused" : "refused") for good (Hard)\(why)"
        case .refusedKept: "\(isStation ? "the bridge has refused" : "refused"); the VSI stays as it was (Keep)\(why)"
        case .unacknowledged: "the bridge has not acknowledged it (ECP), and is not waited for any longer"
        case .unanswered: "the bridge has acknowledged it, and not answered in time"
        case .unaskable:
            reason == .bridgeOverloaded
                ? "not asked: the bridge has as many VSIs as it can keep alive"
                : "not asked: the dialect or the filters of this bridge cannot say it"
        case .mismatched: "the bridge has granted something else than was asked for"
        case .takenBack: "the bridge has taken it back\(with)"
        case .lost: "\(isStation ? "the bridge" : "the station") is lost\(with)"
        case .waiting: "no EVB bridge was heard in time; the request stands"
        case .linkUp: "link \(detail ?? "") is up"
        case .linkCut: "link \(detail ?? "") is set down: no traffic"
        case .linkFailed: "the link failed\(with)"
        case .released: detail ?? "the bridge has released it"
        case .ended: "nothing is known of it any more"
        case .note: detail ?? ""
        }
    }
}
