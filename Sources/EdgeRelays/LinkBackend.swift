package import EVBWire
package import EdgeRelayMachine

/// One kind of links that the VSIs of a port can have.
///
/// `RelayMachine` decides what is done and when, for all kinds alike. A backend says which link is a VSI's, and carries out operations.
/// It decides nothing, and begins nothing by itself. Why: Documentation/decisions/0001-link-backends.md.
package protocol LinkBackend: AnyObject {
    /// The kinds of operation that it has.
    var operations: Set<LinkOperation.Kind> { get }

    /// Whether links of that origin are its.
    func serves(_ origin: LinkSpec.Origin) -> Bool

    /// Why a VSI cannot have a link and what to do about it, before the bridge is asked.
    ///
    /// - Parameters:
    ///   - spec: What link it is to have.
    ///   - vsiID: The VSI.
    ///   - slot: What the VSI has now.
    ///   - holder: The VSI that has a link of that name.
    /// - Returns: Both in words; nil where nothing is in the way.
    func conflict(_ spec: LinkSpec, of vsiID: VSIID, in slot: LinkSlot?, holder: VSIID?) -> String?

    /// The link that is there for a VSI; see `LinkView.candidate`. It may not ask the machine, which is changing meanwhile.
    func candidate(
        for vsiID: VSIID, _ spec: LinkSpec, vlan: UInt16?, except discarded: Int32?, holder: (String) -> VSIID?
    ) -> LinkCandidate?

    /// Begins an operation.
    ///
    /// - Parameters:
    ///   - vsiID: The VSI whose link it is about.
    ///   - operation: One of its kinds of operation.
    ///   - completion: Called once with how it has ended, maybe before this returns. Not called if evbd stops meanwhile.
    func begin(_ vsiID: VSIID, _ operation: LinkOperation, completion: @escaping (LinkResult) -> Void)
}
