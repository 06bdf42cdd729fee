package import EVBProtocol
package import EVBSettings
package import EVBWire

/// What the database says of a request.
package enum TypeDecision: Hashable {
    /// It may be granted with this filter, as a VSI of this type.
    case allowed(FilterInfo, VSIType)
    case refused(TypeRefusal)
}

/// Why the database refuses a request.
package enum TypeRefusal: Hashable, Error {
    /// The database has no type of this manager, nor any that is everybody's.
    case unknownManager(VSIManagerID)
    case unknownType(UInt32)
    case unknownVersion(UInt8, type: String)
    /// The type wants to know the addresses, and the filter has none.
    case addressMissing(type: String)
    case addressNotAllowed(MACAddress, type: String)
    case addressProtected(MACAddress)
    case portNotAllowed(String, type: String)
    case vlanNotAllowed(UInt16, type: String)
    case groupNotAllowed(UInt32, type: String)
    /// With the VLANs of the type the filter has more entries than a TLV can hold.
    case tooManyEntries(type: String)
    case tooManyVSIs(max: Int, type: String)

    /// What the station is told (802.1Q 41.2.3). What is granted already stays: a refusal is of the change.
    ///
    /// Hard is what the same request will meet again until the database changes. A VSI may go at any time, and an unknown
    /// manager is told as one that cannot be reached, which by its nature may be different the next time.
    var refusal: Refusal {
        switch self {
        case .unknownManager: Refusal(reason: .managerUnreachable, isHard: false, isKept: true)
        case .unknownType, .unknownVersion, .portNotAllowed: Refusal(reason: .otherFailure, isHard: true, isKept: true)
        case .addressMissing, .addressNotAllowed, .addressProtected, .vlanNotAllowed, .groupNotAllowed:
            Refusal(reason: .invalidFilter, isHard: true, isKept: true)
        case .tooManyEntries: Refusal(reason: .insufficientResources, isHard: true, isKept: true)
        case .tooManyVSIs: Refusal(reason: .insufficientResources, isHard: false, isKept: true)
        }
    }
}

extension TypeRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unknownManager(let manager): "manager \(manager) has no types"
        case .unknownType(let typeID): "there is no type \(typeID)"
        case .unknownVersion(let version, let type): "there is no version \(version) of type \(type)"
        case .addressMissing(let type):
            "type \(type) checks source addresses, and the filter names none (anti-spoofing: false would allow it)"
        case .addressNotAllowed(let address, let type): "type \(type) does not allow address \(address)"
        case .addressProtected(let address): "address \(address) is protected (protected-macs)"
        case .portNotAllowed(let port, let type): "type \(type) may not be used on \(port)"
        case .vlanNotAllowed(let vid, let type): "type \(type) does not allow VLAN \(vid) there"
        case .groupNotAllowed(let group, let type): "type \(type) does not allow group \(group)"
        case .tooManyEntries(let type): "the VLANs of type \(type) make more filter entries than one TLV can hold"
        case .tooManyVSIs(let max, let type): "type \(type) has its \(max) VSIs"
        }
    }
}

extension VSITypeDatabase {
    /// Decides on a request, as far as the database can: a pure function.
    ///
    /// - Parameters:
    ///   - request: what the station asks.
    ///   - port: where it asks.
    ///   - vsisOfType: how many VSIs of a type there are, the one that asks not among them.
    /// - Returns: the filter with its null VIDs filled in, and the type; or what the database does not allow.
    package func decide(
        _ request: BridgeRequest, on port: String, vsisOfType: (VSIType.Key) -> Int
    ) -> TypeDecision {
        do throws(TypeRefusal) {
            let type = try type(
                of: request.managerID, typeID: request.typeID, version: request.typeVersion)
            if let ports = type.ports, !ports.contains(port) { throw .portNotAllowed(port, type: type.name) }
            let filter = try type.complete(request.filter)
            for address in filter.entries.compactMap(\.macAddress) where protectedAddresses.contains(address) {
                throw .addressProtected(address)
            }
            if let max = type.vsisMax, vsisOfType(type.key) >= max {
                throw .tooManyVSIs(max: max, type: type.name)
            }
            return .allowed(filter, type)
        } catch {
            return .refused(error)
        }
    }

    /// The type that is meant: the manager's own before everybody's, an entry that names the version before one that takes any.
    package func type(of manager: VSIManagerID, typeID: UInt32, version: UInt8) throws(TypeRefusal) -> VSIType {
        let identifiers = manager == .unspecified ? defaultManager?.identifiers ?? [] : [manager]
        let own = ownTypes(of: identifiers, typeID: typeID)
        let candidates = own.isEmpty ? sharedTypes(typeID: typeID) : own
        guard let first = candidates.first else {
            guard serves(identifiers) else { throw .unknownManager(identifiers.first ?? .unspecified) }
            throw .unknownType(typeID)
        }
        let named = candidates.first { $0.names(version: version) } ?? candidates.first { $0.versions == nil }
        guard let named else { throw .unknownVersion(version, type: first.name) }
        return named
    }
}

extension VSIType {
    /// A filter with VLANs in the place of its null VIDs, and the type's priorities.
    ///
    /// A type with several VLANs makes several entries of one with a null VID (802.1Q 41.2.9): the set of VLANs is the bridge's
    /// to supply. Where the type has no VLANs, a null VID stays: the VSI then uses the port's own, untagged.
    package func complete(_ filter: FilterInfo) throws(TypeRefusal) -> FilterInfo {
        var entries: [FilterEntry] = []
        var seen: Set<FilterEntry> = []
        for entry in filter.entries {
            try checkAddress(of: entry)
            for vlan in try vlans(for: entry) {
                var completed = entry
                completed.vid = vlan.vid
                if let pcp = vlan.pcp { completed.pcp = pcp }
                if seen.insert(completed).inserted { entries.append(completed) }
            }
            guard entries.count <= filter.format.entriesMax else { throw .tooManyEntries(type: name) }
        }
        do {
            return try FilterInfo(checking: entries)
        } catch {
            // The request was sound, and so are VLANs of the database: only a sum can be too long.
            throw .tooManyEntries(type: name)
        }
    }

    private func checkAddress(of entry: FilterEntry) throws(TypeRefusal) {
        guard let address = entry.macAddress else {
            if profile.antiSpoofing || !addresses.isEmpty { throw .addressMissing(type: name) }
            return
        }
        guard addresses.isEmpty || addresses.matches(address) else {
            throw .addressNotAllowed(address, type: name)
        }
    }

    /// The VLANs of an entry: what it names, if that is allowed, or else what it is to get.
    private func vlans(for entry: FilterEntry) throws(TypeRefusal) -> [VLAN] {
        var allowed = vlans
        if let group = entry.groupID {
            guard let vlan = groups[group] else { throw .groupNotAllowed(group, type: name) }
            allowed = [vlan]
        }
        let asked = VLAN(vid: entry.vid, pcp: nil)
        guard !allowed.isEmpty else { return [asked] }
        guard entry.vid != 0 else { return allowed }
        guard let vlan = allowed.first(where: { $0.vid == entry.vid }) else {
            throw .vlanNotAllowed(entry.vid, type: name)
        }
        return [vlan]
    }
}
