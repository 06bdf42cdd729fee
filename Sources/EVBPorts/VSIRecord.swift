package import EVBModel
package import EVBWire

/// Something that happened to a VSI of a port, for its history.
package struct VSIRecord {
    package var port: String
    package var vsiID: VSIID
    package var kind: VSIHistoryEvent.Kind
    package var reason: EVBModel.VSIReason?
    private let text: String?
    private let makeText: (() -> String)?
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
        text = detail
        makeText = nil
        self.isGone = isGone
    }

    /// What happened to one VSI of very many at once: its detail is made when it is asked for.
    package init(port: String, vsiID: VSIID, kind: VSIHistoryEvent.Kind, makeDetail: @escaping () -> String) {
        self.port = port
        self.vsiID = vsiID
        self.kind = kind
        text = nil
        makeText = makeDetail
        isGone = false
    }

    /// Who or what; may be a text of a client or a peer.
    package var detail: String? { makeText?() ?? text }
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
