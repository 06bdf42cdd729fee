package import EVBLog
package import EVBProtocol
package import EVBWire
package import Logging

/// What each line about a VSI says of it.
package struct VSIFacts {
    /// The facts, in the order of a line.
    package private(set) var facts: LogFacts
    /// The facts by their keys.
    package var metadata: Logger.Metadata { facts.metadata }

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
        facts = LogFacts()
        facts.set(.vsi, vsiID.description)
        let addresses = filter.entries.compactMap { $0.macAddress?.description }
        if let first = addresses.first { facts.set(.mac, addresses.count == 1 ? .text(first) : .list(addresses)) }
        if let link { facts.set(.link, link) }
        var type = String(typeID)
        type += " v"
        type += String(version)
        facts.set(.type, type)
        facts.set(.manager, manager.description)
        if let who { facts.set(.who, who) }
    }

    /// The facts of a station's request at a bridge.
    package init(_ request: BridgeRequest, who: String? = nil) {
        self.init(
            request.vsiID, typeID: request.typeID, version: request.typeVersion, manager: request.managerID,
            filter: request.filter, who: who)
    }
}
