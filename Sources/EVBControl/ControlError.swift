// The errors of io.evbd: a name and parameters for programs, a message and a hint for people.

public import EVBModel
public import JSON

/// Why evbd does not do what it was asked to.
public struct ControlError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What went wrong, with what a program needs to know of it.
    public enum Failure: Sendable, Equatable {
        /// evbd does not run a port of this name.
        case noSuchPort(port: String)
        /// There is no such VSI (on the port, where one was named).
        case noSuchVSI(vsiID: String, port: String?)
        /// An argument has the right type and no meaning, such as a VSIID that cannot be read.
        case invalidArgument(argument: String)
        /// The bridge refused. `hard` tells that asking again will not help, `kept` that the VSI is as it was.
        case refused(port: String, vsiID: String, reason: VSIReason, hard: Bool, kept: Bool)
        /// The bridge did not answer in time. `stage` tells how far the request came; an older evbd does not say.
        case noAnswer(port: String, vsiID: String, waitedMilliseconds: Int, stage: AnswerStage? = nil)
        /// No EVB bridge is heard on the port, so nothing can be asked.
        case noBridge(port: String, vsiID: String?)
        /// The bridge agreed, and the link of the VSI could not be made.
        case linkFailed(port: String, vsiID: String, link: String, cause: String)
        /// The VSI does not have to be asked for again, or cannot be now.
        case nothingToRetry(vsiID: String, port: String)
        /// A bound of evbd is reached; it names which.
        case busy(limit: String)
        /// The configuration file has mistakes, one a line; the configuration in force stays.
        case invalidConfiguration(mistakes: String)
        /// So many VSIs would end by the new configuration, on these ports; the configuration in force stays.
        case endsVSIs(vsis: Int, ports: String)
        /// The method changes something, and the socket is for looking only.
        case readOnly(method: String)
        /// The method is for root alone.
        case notPermitted(method: String)
        /// The method shows frames of the wire, and the socket is for looking only.
        case notShown(method: String)
        /// Servers of VSI types could not be asked; what they gave before stays.
        case typesNotFetched
    }

    /// What went wrong.
    public var failure: Failure
    /// What failed and why, as a sentence without a stop.
    public var message: String
    /// What to do about it, as a sentence without a stop.
    public var hint: String

    /// Makes an error.
    ///
    /// - Parameters:
    ///   - failure: what went wrong.
    ///   - message: what failed and why; nil takes the words that fit the failure.
    ///   - hint: what to do about it; nil takes the words that fit the failure.
    public init(_ failure: Failure, message: String? = nil, hint: String? = nil) {
        self.failure = failure
        let words = Self.words(for: failure)
        self.message = message ?? words.message
        self.hint = hint ?? words.hint
    }

    /// The message and the hint on one line.
    public var description: String { hint.isEmpty ? message : "\(message); \(hint)" }

    private static func seconds(_ milliseconds: Int) -> String {
        milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(Double(milliseconds) / 1000) s"
    }

    private static func words(_ port: String, _ vsiID: String, within time: String, _ stage: AnswerStage?) -> String {
        switch stage {
        case nil: "the bridge on \(port) did not answer for VSI \(vsiID) within \(time)"
        case .notSent: "the request for VSI \(vsiID) could not be sent to the bridge on \(port) within \(time)"
        case .notAcknowledged:
            "the bridge on \(port) did not acknowledge (ECP) the request for VSI \(vsiID), given up after \(time)"
        case .notAnswered:
            "the bridge on \(port) acknowledged the request for VSI \(vsiID) (ECP) and did not answer it (VDP) within \(time)"
        }
    }

    private static func words(for failure: Failure) -> (message: String, hint: String) {
        switch failure {
        case .noSuchPort(let port):
            return ("\(port) is not a port of evbd", "see evbctl port list; ports are set in evbd.yaml")
        case .noSuchVSI(let vsiID, let port):
            return ("there is no VSI \(vsiID)\(port.map { " on \($0)" } ?? "")", "see evbctl vsi list")
        case .invalidArgument(let argument):
            return ("\(argument) cannot be read", "see evbctl vsi --help")
        case .refused(let port, let vsiID, let reason, let hard, let kept):
            let outcome = kept ? "it stays as it was" : "it is de-associated"
            return (
                "the bridge on \(port) refused VSI \(vsiID): \(reason.rawValue), \(reason.explanation); \(outcome)",
                hard ? "asking again will not help: correct the request or the bridge" : "it may be asked again later"
            )
        case .noAnswer(let port, let vsiID, let waited, let stage):
            return (
                words(port, vsiID, within: seconds(waited), stage),
                "the request stands; see evbctl vsi show \(vsiID) and the counters of evbctl port show \(port)"
            )
        case .noBridge(let port, let vsiID):
            return (
                "no EVB bridge is heard on \(port)\(vsiID.map { ", so VSI \($0) has to wait" } ?? "")",
                "check that EVB is enabled on the switch port and see evbctl port show \(port)"
            )
        case .linkFailed(let port, let vsiID, let link, let cause):
            return (
                "the link \(link) of VSI \(vsiID) on \(port) could not be made: \(cause)",
                "see ip -d link show and the log of evbd"
            )
        case .nothingToRetry(let vsiID, let port):
            return ("VSI \(vsiID) on \(port) is not asked for again", "see evbctl vsi show \(vsiID)")
        case .busy(let limit):
            return ("evbd has reached its limit of \(limit)", "try again later")
        case .invalidConfiguration(let mistakes):
            return ("the configuration has mistakes, and the one in force stays: \(mistakes)", "correct the file")
        case .endsVSIs(let vsis, let ports):
            return (
                "\(vsis == 1 ? "1 VSI" : "\(vsis) VSIs") on \(ports) would end by the new configuration, so the one in force stays",
                "run evbctl reload --yes if that is meant, or leave the ports in the file; see evbctl reload --dry-run"
            )
        case .readOnly(let method):
            return (
                "this socket of evbd is read-only, and \(method) changes something",
                "run evbctl as root or as a member of the group of the other socket; see control in evbd.yaml"
            )
        case .typesNotFetched:
            return (
                "evbd-types does not answer; VSI types stay as they are",
                "see whether evbd-types runs (systemctl status evbd-types; it is a package of its own), and its log"
            )
        case .notPermitted(let method): return ("evbd lets root alone call \(method)", "do it as root")
        case .notShown(let method):
            return (
                "this socket of evbd is read-only, and \(method) shows frames as they are on the wire",
                "run evbctl as root or as a member of the group of the other socket; see control in evbd.yaml"
            )
        }
    }
}

extension VSIReason {
    /// The reason in words.
    public var explanation: String {
        switch self {
        case .success: "no reason given"
        case .invalidFormat: "it does not understand the format"
        case .insufficientResources: "it does not have the resources"
        case .managerUnreachable: "it cannot reach the VSI manager"
        case .otherFailure: "another failure, which also stands for a VSI type or version that it does not know"
        case .invalidVIDGroupMAC: "the VID, GroupID or MAC is not valid there"
        case .timeout: "no answer in time"
        case .bridgeDeassociated: "it de-associated the VSI"
        case .bridgeLost: "the bridge was lost"
        case .bridgeOverloaded: "it has as many VSIs as it can keep alive"
        case .drained: "the port is drained"
        }
    }
}

// MARK: - JSON

extension ControlError {
    /// The name of the error on the wire, such as `io.evbd.NoSuchPort`.
    public var name: String { "\(ControlInterface.name).\(shortName)" }

    /// The names of all errors, without the interface.
    static let shortNames = [
        "NoSuchPort", "NoSuchVSI", "InvalidArgument", "Refused", "NoAnswer", "NoBridge", "LinkFailed", "Busy",
        "InvalidConfiguration", "EndsVSIs", "ReadOnly", "NothingToRetry", "NotPermitted",
        "TypesNotFetched", "NotShown",
    ]

    /// The name without the interface, such as `NoSuchPort`.
    public var shortName: String {
        switch failure {
        case .noSuchPort: "NoSuchPort"
        case .noSuchVSI: "NoSuchVSI"
        case .invalidArgument: "InvalidArgument"
        case .refused: "Refused"
        case .noAnswer: "NoAnswer"
        case .noBridge: "NoBridge"
        case .linkFailed: "LinkFailed"
        case .busy: "Busy"
        case .invalidConfiguration: "InvalidConfiguration"
        case .endsVSIs: "EndsVSIs"
        case .readOnly: "ReadOnly"
        case .notPermitted: "NotPermitted"
        case .notShown: "NotShown"
        case .typesNotFetched: "TypesNotFetched"
        case .nothingToRetry: "NothingToRetry"
        }
    }

    /// The parameters of the error on the wire, an object.
    public var parameters: JSONValue {
        var members: [JSONValue.Member] = []
        func add(_ key: String, _ value: String?) {
            members.append(JSONValue.Member(key, value.map(JSONValue.string) ?? .null))
        }
        switch failure {
        case .noSuchPort(let port): add("port", port)
        case .noSuchVSI(let vsiID, let port):
            add("port", port)
            add("vsiID", vsiID)
        case .noBridge(let port, let vsiID):
            add("port", port)
            add("vsiID", vsiID)
        case .invalidArgument(let argument): add("argument", argument)
        case .refused(let port, let vsiID, let reason, let hard, let kept):
            add("port", port)
            add("vsiID", vsiID)
            add("reason", reason.rawValue)
            members.append(JSONValue.Member("hard", .bool(hard)))
            members.append(JSONValue.Member("kept", .bool(kept)))
        case .noAnswer(let port, let vsiID, let waited, let stage):
            add("port", port)
            add("vsiID", vsiID)
            members.append(JSONValue.Member("waitedMilliseconds", .number(String(waited))))
            add("stage", stage?.rawValue)
        case .linkFailed(let port, let vsiID, let link, let cause):
            add("port", port)
            add("vsiID", vsiID)
            add("link", link)
            add("cause", cause)
        case .busy(let limit): add("limit", limit)
        case .invalidConfiguration(let mistakes): add("mistakes", mistakes)
        case .endsVSIs(let vsis, let ports):
            members.append(JSONValue.Member("vsis", .number(String(vsis))))
            add("ports", ports)
        case .readOnly(let method), .notPermitted(let method), .notShown(let method): add("method", method)
        case .typesNotFetched: break
        case .nothingToRetry(let vsiID, let port):
            add("port", port)
            add("vsiID", vsiID)
        }
        add("message", message)
        add("hint", hint)
        return .object(members)
    }

    /// Reads an error from a reply; nil if it is none of io.evbd's, or not all there.
    ///
    /// - Parameters:
    ///   - name: the error with its interface.
    ///   - parameters: its parameters.
    public init?(name: String, parameters: JSONValue) {
        func text(_ key: String) -> String? {
            guard case .string(let text)? = parameters[key] else { return nil }
            return text
        }
        let prefix = "\(ControlInterface.name)."
        guard name.hasPrefix(prefix) else { return nil }
        let port = text("port")
        let vsiID = text("vsiID")
        let failure: Failure
        switch (String(name.dropFirst(prefix.count)), port, vsiID) {
        case ("NoSuchPort", let port?, _): failure = .noSuchPort(port: port)
        case ("NoSuchVSI", _, let vsiID?): failure = .noSuchVSI(vsiID: vsiID, port: port)
        case ("InvalidArgument", _, _): failure = .invalidArgument(argument: text("argument") ?? "")
        case ("Refused", let port?, let vsiID?):
            failure = .refused(
                port: port, vsiID: vsiID, reason: text("reason").flatMap(VSIReason.init) ?? .otherFailure,
                hard: parameters["hard"] == .bool(true), kept: parameters["kept"] == .bool(true))
        case ("NoAnswer", let port?, let vsiID?):
            guard case .number(let literal)? = parameters["waitedMilliseconds"] else { return nil }
            failure = .noAnswer(
                port: port, vsiID: vsiID, waitedMilliseconds: Int(literal) ?? 0,
                stage: text("stage").flatMap(AnswerStage.init))
        case ("NoBridge", let port?, _): failure = .noBridge(port: port, vsiID: vsiID)
        case ("LinkFailed", let port?, let vsiID?):
            failure = .linkFailed(port: port, vsiID: vsiID, link: text("link") ?? "", cause: text("cause") ?? "")
        case ("Busy", _, _): failure = .busy(limit: text("limit") ?? "")
        case ("InvalidConfiguration", _, _):
            failure = .invalidConfiguration(mistakes: text("mistakes") ?? "")
        case ("EndsVSIs", _, _):
            guard case .number(let literal)? = parameters["vsis"] else { return nil }
            failure = .endsVSIs(vsis: Int(literal) ?? 0, ports: text("ports") ?? "")
        case ("NothingToRetry", let port?, let vsiID?): failure = .nothingToRetry(vsiID: vsiID, port: port)
        case ("ReadOnly", _, _): failure = .readOnly(method: text("method") ?? "")
        case ("TypesNotFetched", _, _): failure = .typesNotFetched
        case ("NotPermitted", _, _): failure = .notPermitted(method: text("method") ?? "")
        case ("NotShown", _, _): failure = .notShown(method: text("method") ?? "")
        default: return nil
        }
        self.init(failure, message: text("message"), hint: text("hint"))
    }
}
