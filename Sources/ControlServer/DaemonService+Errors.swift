internal import EVBControl
internal import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBWire

// What clients hear of requests that fail: what failed, why, and what to do, with the cause that evbd knows.

extension DaemonService {
    static func error(_ refusal: RequestRefusal, port: String, vsiID: VSIID) -> ControlError {
        switch refusal {
        case .unfit(let error): Self.error(error, port: port, vsiID: vsiID)
        case .unusableLink(let problem, let remedy):
            ControlError(.invalidArgument(argument: "link"), message: problem, hint: remedy)
        case .unstored(let error):
            ControlError(
                .busy(limit: "storage"),
                message: "VSI \(vsiID) on \(port) cannot be stored, and a restart of evbd would lose it: \(error)",
                hint: "make room in the runtime directory, or make it writable, and ask again")
        }
    }

    static func error(_ error: VSIRequestError, port: String, vsiID: VSIID) -> ControlError {
        switch error {
        case .tooManyVSIs(let limit):
            ControlError(.busy(limit: "VSIs on \(port) (\(limit))"), hint: ResourcePool.remedy(.vsisPerPort))
        case .noRoom(let limit):
            ControlError(
                .busy(limit: "\(limit == .filterEntries ? "filter entries" : "VSIs") on all ports"),
                hint: ResourcePool.remedy(limit))
        case .goesBackward:
            ControlError(
                .invalidArgument(argument: "vsiID"),
                message: "VSI \(vsiID) on \(port) is already in a higher state, and VDP cannot go back",
                hint: "de-associate it first: evbctl vsi deassociate \(vsiID)")
        case .tooLong(let length, let most):
            ControlError(
                .invalidArgument(argument: "filters"),
                message: "VSI \(vsiID) needs \(length) octets, and a frame on \(port) holds \(most)",
                hint: "give fewer filter entries, or a larger MTU")
        case .unknownVSI: ControlError(.noSuchVSI(vsiID: vsiID.description, port: port))
        case .groupBeyondNetworks(let group):
            ControlError(
                .invalidArgument(argument: "filters"),
                message: "group \(group) is no VN ID: it has more than 24 bits, and \(port) has nvo3: true",
                hint: "give a group of 0 to 16777215")
        }
    }

    /// What a client hears of a request that has ended without success.
    ///
    /// - Parameters:
    ///   - outcome: The end.
    ///   - holder: The port.
    ///   - vsiID: The VSI.
    ///   - waited: How long the client has waited, in milliseconds.
    /// - Returns: The error, with the cause that is known.
    static func error(
        _ outcome: RequestOutcome, port holder: any StationPortControl, vsiID: VSIID, waited: Int
    ) -> ControlError {
        let (name, port) = (vsiID.description, holder.name)
        func refused(_ reason: EVBModel.VSIReason, _ message: String, _ hint: String) -> ControlError {
            ControlError(
                .refused(port: port, vsiID: name, reason: reason, hard: false, kept: false), message: message,
                hint: hint)
        }
        switch outcome {
        case .refused(let refusal): return error(refusal, port: holder, vsiID: vsiID)
        case .timedOut:
            let failure = ControlError.Failure.noAnswer(
                port: port, vsiID: name, waitedMilliseconds: waited, stage: holder.stage(of: vsiID))
            return explained(failure, by: holder.problems.first { $0.kind.explainsSilence })
        case .noBridge:
            guard let cause = holder.problems.first(where: { $0.kind.explainsAbsence }) else {
                return ControlError(.noBridge(port: port, vsiID: name))
            }
            return ControlError(
                .noBridge(port: port, vsiID: name), message: "VSI \(name) on \(port) has to wait: \(cause.message)",
                hint: cause.hint)
        case .bridgeDeassociated:
            return refused(
                .bridgeDeassociated, "the bridge on \(port) de-associated VSI \(name)",
                "it is asked again after a while; evbctl vsi deassociate \(name) ends that")
        case .bridgeOverloaded:
            return refused(
                .bridgeOverloaded, "the bridge on \(port) has as many VSIs as it can keep alive, without VSI \(name)",
                "it is asked again after a while; give the bridge a shorter ack timer (RTE) or a longer keep-alive period (RKA)"
            )
        case .mismatched:
            return refused(
                .otherFailure, "the bridge on \(port) granted another filter than VSI \(name) asked for",
                "compare the VSI type at the bridge with the filter")
        case .groupIDsUnavailable:
            return refused(
                .invalidVIDGroupMAC, "the filter of VSI \(name) has groups, and the bridge on \(port) cannot use them",
                "enable group IDs at the bridge (BGID) and on the port (group-ids: true), or leave group= out")
        case .inexpressible(let limit):
            return refused(
                limit == .filterFormat ? .invalidVIDGroupMAC : .invalidFormat,
                "VSI \(name) cannot be asked of the bridge on \(port): \(limit.rawValue)",
                "the bridge speaks the pre-standard draft: give each filter a mac=, and use a UUID and a small manager ID"
            )
        case .superseded:
            return refused(
                .otherFailure, "another request for VSI \(name) on \(port) took the place of this one",
                "see evbctl vsi show \(name)")
        case .granted, .released:
            return ControlError(.noSuchVSI(vsiID: name, port: port))
        }
    }

    /// A failure with the cause that is known for it, and with what helps against that.
    private static func explained(_ failure: ControlError.Failure, by cause: PortProblem?) -> ControlError {
        let error = ControlError(failure)
        guard let cause else { return error }
        return ControlError(failure, message: "\(error.message): \(cause.message)", hint: cause.hint)
    }

    /// A refusal of the bridge, with the number that its answer had.
    private static func error(
        _ refusal: Refusal, port: any StationPortControl, vsiID: VSIID
    ) -> ControlError {
        let reason = EVBModel.VSIReason(EVBProtocol.VSIReason(refusal.reason))
        let details = port.vsiDetails(vsiID)
        let type = details.map { " of type \($0.vsi.typeID) version \($0.vsi.typeVersion)" } ?? ""
        let outcome = refusal.isKept ? "it stays as it was" : "it is de-associated"
        let again =
            refusal.isHard
            ? "asking again will not help before (a hard refusal); then: evbctl vsi retry \(vsiID)"
            : "it is asked for again after a while"
        return ControlError(
            .refused(
                port: port.name, vsiID: vsiID.description, reason: reason, hard: refusal.isHard, kept: refusal.isKept),
            message: "the bridge on \(port.name) refused VSI \(vsiID)\(type): "
                + reason.words(code: details?.vsidb.operReasonCode) + "; \(outcome)",
            hint: "\(reason.remedy); \(again)")
    }
}

extension PortProblem.Kind {
    /// Whether it is a reason for that no EVB peer is heard.
    fileprivate var explainsAbsence: Bool {
        switch self {
        case .interfaceMissing, .interfaceTaken, .cannotListen, .linkDown, .mtuTooSmall, .sendFailing, .evbTLVElsewhere,
            .unusableTLV, .sameRole, .dialectMismatch, .noEVBTLV, .noLLDP:
            true
        default: false
        }
    }

    /// Whether it is a reason for that a peer which is heard does not answer.
    fileprivate var explainsSilence: Bool {
        switch self {
        case .mtuTooSmall, .sendFailing, .silentPeer, .severalPeers, .foreignECP, .misaddressedECP, .bridgeOverloaded:
            true
        default: false
        }
    }
}
