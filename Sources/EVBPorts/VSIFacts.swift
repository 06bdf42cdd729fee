package import EVBProtocol
package import EVBWire
package import Logging

/// What each line about a VSI says of it.
package struct VSIFacts {
    /// The facts by their keys.
    package private(set) var metadata: Logger.Metadata

    /// The facts of a VSI.
    ///
    /// - Parameters:
    ///   - vsiID: its identifier.
    ///   - typeID: its type.
    ///   - version: the version of the type.
    ///   - manager: its manager.
    ///   - filter: its filter, for the addresses.
    ///   - link: the name of its link; nil where it has none.
    ///   - who: who asked for it; nil where that is not known.
    package init(
        _ vsiID: VSIID, typeID: UInt32, version: UInt8, manager: VSIManagerID, filter: FilterInfo, link: String? = nil,
        who: String? = nil
    ) {
        metadata = ["vsi": "\(vsiID)", "type": "\(typeID) v\(version)", "manager": "\(manager)"]
        let addresses = filter.entries.compactMap(\.macAddress)
        if !addresses.isEmpty { metadata["mac"] = .array(addresses.map { "\($0)" }) }
        if let link { metadata["link"] = "\(link)" }
        if let who { metadata["who"] = "\(who)" }
    }

    /// The facts of a station's request at a bridge.
    package init(_ request: BridgeRequest, who: String? = nil) {
        self.init(
            request.vsiID, typeID: request.typeID, version: request.typeVersion, manager: request.managerID,
            filter: request.filter, who: who)
    }
}
