package import Logging

/// An event that an operator may want to be alerted to: in the journal, its lines have a MESSAGE_ID of their own.
///
/// The identifiers never change. Packaging/systemd/evbd.catalog explains each of them, and Documentation/logs.md lists them.
package enum LogAlert: String, CaseIterable, Sendable {
    /// The switch refused a VSI, or a bridge port of evbd did.
    case vsiRefused = "vsi-refused"
    /// A VSI that was associated is not any more, and its manager did not ask for that.
    case vsiLost = "vsi-lost"
    /// The link of a VSI cannot be made, changed or kept.
    case vsiLinkFailed = "vsi-link-failed"
    /// The EVB bridge or the EVB station at the other end of a port is not heard any more.
    case peerLost = "peer-lost"
    /// A port does not work: its link is down, or its interface is gone, taken or cannot be used.
    case portDown = "port-down"
    /// The neighbour does what only an operator can put right, such as another dialect or a second bridge on the link.
    case neighbourProblem = "neighbour-problem"
    /// Rules, addresses or VLANs that evbd answers for are not in force, or were removed by another process.
    case enforcementFailed = "enforcement-failed"
    /// What is to outlive evbd cannot be written or read.
    case stateNotStored = "state-not-stored"
    /// A configuration was not taken; the one before it stays in force.
    case reloadRefused = "reload-refused"
    /// evbd has ended because of an error.
    case daemonFailed = "daemon-failed"
    /// One line stands for the changes of many VSIs.
    case vsiSummary = "vsi-summary"

    /// The key of an alert among the metadata of a line; its value is the raw value.
    package static let key = "alert"

    /// The MESSAGE_ID, 32 hexadecimal digits.
    package var messageID: String {
        switch self {
        case .vsiRefused: "4d31d0446da149b983b15a54cf653219"
        case .vsiLost: "82e30c7dab8344009c85bfb40800dd52"
        case .vsiLinkFailed: "ec66cc4f54064234b9571d76cbeaca57"
        case .peerLost: "7efd4d93ceda4bbc807565f1eb17fa33"
        case .portDown: "9bed6cc37edd49bea4ce66fce19e6521"
        case .neighbourProblem: "d872ada4b10141d39747852521520ed9"
        case .enforcementFailed: "2f036eb72e3d422088cf718a7c48a4f7"
        case .stateNotStored: "bbdbb02f9b3e41379d55d26e3dba6b8d"
        case .reloadRefused: "0bd7520e8d444ba189e71c9941c6c045"
        case .daemonFailed: "49bd3547e3224b1b8bc7ff8cd4d08b54"
        case .vsiSummary: "7283c2efa4cf46178c61c1784e13cf12"
        }
    }
}

extension Logger {
    /// This logger, for a line that is an alert.
    package func alert(_ alert: LogAlert?) -> Logger {
        guard let alert else { return self }
        var marked = self
        marked[metadataKey: LogAlert.key] = "\(alert.rawValue)"
        return marked
    }
}

extension Logger.Metadata {
    /// These facts and further ones, which count where both have a key.
    package func with(_ further: Logger.Metadata) -> Logger.Metadata { merging(further) { _, new in new } }
}
