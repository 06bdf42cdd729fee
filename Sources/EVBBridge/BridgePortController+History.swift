internal import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBWire

// What happens to the VSIs of stations, for their history.

extension BridgePortController {
    /// Tells of something that happened to a VSI.
    func note(
        _ vsiID: VSIID, _ kind: VSIHistoryEvent.Kind, reason: EVBModel.VSIReason? = nil, detail: String? = nil,
        isGone: Bool = false
    ) {
        transport.surroundings.record(
            VSIRecord(port: name, vsiID: vsiID, kind: kind, reason: reason, detail: detail, isGone: isGone))
    }

    /// Tells what the station has asked for. One that has asked for nothing that was decided leaves no history.
    func note(_ request: BridgeRequest) {
        let station = port.station.map { " (station \($0.chassisID.text(isChassis: true)))" } ?? ""
        note(
            request.vsiID, .requested,
            detail:
                "\(request.command.words), type \(request.typeID) v\(request.typeVersion), manager \(request.managerID)"
                + station)
    }

    /// Tells that a request was refused.
    func note(_ vsiID: VSIID, _ refusal: Refusal, isKept: Bool) {
        note(
            vsiID, isKept ? .refusedKept : refusal.isHard ? .refusedHard : .refused,
            reason: EVBModel.VSIReason(EVBProtocol.VSIReason(refusal.reason)), isGone: port.vsi(vsiID)?.grant == nil)
    }
}
