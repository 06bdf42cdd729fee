package import EVBModel
internal import EVBProtocol
internal import EVBWire

// What is wrong between VSIs, as an operator is shown it for as long as it lasts.

extension BridgeRegistry {
    /// Problems of one kind that are shown of a port; there may be any number.
    static let problemsMax = 16

    /// What is wrong on a port now.
    package func problems(of port: String) -> [PortProblem] {
        let contests = places.contests(on: port, at: now(), limit: Self.problemsMax)
        let conflicts = conflicts[port]?.current(at: now()) ?? []
        return contests.map { PortProblem($0, on: port) }
            + conflicts.map { PortProblem($0, remark(on: .held($0.mac, vid: $0.vid, by: $0.holder))) }
    }
}

extension VSIPlaces.Contest {
    /// What an operator can do about it.
    static let remedy = "end it at one of the two; to keep a type to certain ports, give ports in its VSI type"
}

extension PortProblem {
    fileprivate init(_ contest: VSIPlaces.Contest, on port: String) {
        let isHolder = contest.holder == port
        self.init(
            kind: .vsiContest, vsiID: "\(contest.vsiID)", otherPort: isHolder ? contest.asker : contest.holder,
            message: isHolder
                ? "VSI \(contest.vsiID) is associated here, and the station on \(contest.asker) keeps asking for it"
                : "VSI \(contest.vsiID) is associated on \(contest.holder), and the station here keeps asking for it",
            hint: VSIPlaces.Contest.remedy)
    }

    fileprivate init(_ conflict: AddressConflicts.Entry, _ remark: String) {
        let (vsiID, other) = (conflict.vsiID, conflict.holder.vsiID)
        let vlan = conflict.vid == 0 ? "" : " in VLAN \(conflict.vid)"
        self.init(
            kind: .addressConflict, vsiID: "\(vsiID)", otherPort: conflict.holder.port, otherVSIID: "\(other)",
            address: "\(conflict.mac)",
            message: "VSI \(vsiID) asks for address \(conflict.mac)\(vlan), "
                + "which belongs to VSI \(other) on \(conflict.holder.port)\(remark)",
            hint: "give one of them another address, or end VSI \(other); to let VSIs share the address, "
                + "give shared-addresses in their VSI types")
    }
}
