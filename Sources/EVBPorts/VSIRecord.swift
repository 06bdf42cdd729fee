package import EVBModel
package import EVBWire

/// Something that happened to a VSI of a port, for its history.
package struct VSIRecord {
    package var port: String
    package var vsiID: VSIID
    package var kind: VSIHistoryEvent.Kind
    package var reason: EVBModel.VSIReason?
    /// Who or what; may be a text of a client or a peer.
    package let detail: String?
    /// Nothing is known of the VSI afterwards.
    package var isGone: Bool

    package init(
        port: String, vsiID: VSIID, kind: VSIHistoryEvent.Kind, reason: EVBModel.VSIReason? = nil,
        detail: String? = nil,
        isGone: Bool = false
    ) {
        self.port = port
        self.vsiID = vsiID
        self.kind = kind
        self.reason = reason
        self.detail = detail
        self.isGone = isGone
    }
}

/// Something that happened to very many VSIs at one moment: each record is made when it is asked for.
package struct VSIRecords {
    package let count: Int
    private let make: (Int) -> VSIRecord?

    /// - Parameters:
    ///   - count: How many VSIs there are at most.
    ///   - make: Gives the record of a VSI by its place; nil where nothing happened to it. Called once for each, in their order.
    package init(count: Int, _ make: @escaping (Int) -> VSIRecord?) { (self.count, self.make) = (count, make) }

    package subscript(place: Int) -> VSIRecord? { make(place) }
}

extension VDPCommand {
    /// The command in words.
    package var words: String {
        switch self {
        case .preAssociate: "pre-associate"
        case .preAssociateWithReservation: "pre-associate with reservation"
        case .associate: "associate"
        case .deAssociate: "de-associate"
        }
    }
}
