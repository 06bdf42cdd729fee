// What an operator says of the VSI types that a bridge port serves. Values only: reading the file is in
// VSITypeDatabase+YAML.swift, deciding by it in VSITypeDatabase+Decision.swift.

internal import EVBWire

/// The VSI types of one file (the standard's VSI type database; its form is left to each bridge).
public struct VSITypeDatabase: Sendable, Equatable {
    /// The file, as mistakes and log lines name it.
    var file: String
    /// The manager that is meant where a station leaves the choice to the bridge (manager ID 0).
    var defaultManager: ManagerName?
    /// Addresses that may send whatever is associated: the station's own, which no VSI stands for.
    var allowedAddresses: Set<MACAddress> = []
    /// Addresses that no VSI may have, such as a gateway's.
    var protectedAddresses: Set<MACAddress> = []
    /// The types, in the order of the file.
    var types: [VSIType] = []
    /// Where the types of a manager stand, by the manager's ID and the type ID; the IDs that are meant by one name are all listed.
    private var placesOfOwn: [OwnKey: [Int]] = [:]
    /// Where the types that are everybody's stand, by their type ID.
    private var placesOfShared: [UInt32: [Int]] = [:]
    /// The managers that have types of their own.
    private var managers: Set<VSIManagerID> = []
    /// Where the types stand, by their names; the first of a name.
    private var placeOfName: [String: Int] = [:]

    private struct OwnKey: Sendable, Hashable {
        var manager: VSIManagerID
        var typeID: UInt32
    }

    /// A database without types.
    init(file: String) { self.file = file }

    /// Adds a type.
    mutating func append(_ type: VSIType) {
        let place = types.count
        types.append(type)
        if placeOfName[type.name] == nil { placeOfName[type.name] = place }
        guard let manager = type.manager else {
            placesOfShared[type.typeID, default: []].append(place)
            return
        }
        for identifier in manager.identifiers {
            placesOfOwn[OwnKey(manager: identifier, typeID: type.typeID), default: []].append(place)
            managers.insert(identifier)
        }
    }

    /// The types of a type ID that a manager has as its own, in the order of the file.
    ///
    /// - Parameters:
    ///   - identifiers: the IDs by which the manager goes.
    ///   - typeID: the type ID.
    /// - Returns: the types.
    func ownTypes(of identifiers: Set<VSIManagerID>, typeID: UInt32) -> [VSIType] {
        var places: Set<Int> = []
        for identifier in identifiers {
            places.formUnion(placesOfOwn[OwnKey(manager: identifier, typeID: typeID)] ?? [])
        }
        return places.sorted().map { types[$0] }
    }

    /// The types of a type ID that are everybody's, in the order of the file.
    func sharedTypes(typeID: UInt32) -> [VSIType] { (placesOfShared[typeID] ?? []).map { types[$0] } }

    /// The first type of that name.
    func type(named name: String) -> VSIType? { placeOfName[name].map { types[$0] } }

    /// Whether there are types for a manager at all: its own, or everybody's.
    func serves(_ identifiers: Set<VSIManagerID>) -> Bool {
        !placesOfShared.isEmpty || !managers.isDisjoint(with: identifiers)
    }
}

/// A manager as an operator names it.
struct ManagerName: Sendable, Hashable {
    /// As it stands in the file.
    let text: String
    /// The IDs that are meant: a short number may stand at either end of the sixteen octets, for public sources do not settle
    /// where it belongs, and stations do it in both ways.
    let identifiers: Set<VSIManagerID>

    init?(_ text: String) {
        guard let first = VSIManagerID(text, placement: .first), let last = VSIManagerID(text, placement: .last) else {
            return nil
        }
        self.text = text
        identifiers = [first, last]
    }

    static func == (left: ManagerName, right: ManagerName) -> Bool { left.identifiers == right.identifiers }
    func hash(into hasher: inout Hasher) { hasher.combine(identifiers) }
}

/// One VSI type: what its VSIs may be, and what is imposed on their frames.
struct VSIType: Sendable, Hashable {
    /// A VLAN with the default priority of its frames.
    struct VLAN: Sendable, Hashable {
        /// 1 to 4094.
        var vid: UInt16
        /// 0 to 7; nil leaves it to the station.
        var pcp: UInt8?
    }

    /// Which names the type goes by: what makes it one type, also across a reload.
    struct Key: Sendable, Hashable {
        var manager: ManagerName?
        var typeID: UInt32
        var versions: [ClosedRange<UInt8>]?
    }

    /// What log lines call it.
    var name: String
    /// Whose type it is; nil is anybody's who has no type of that ID of their own.
    var manager: ManagerName?
    /// 0 to 16777215.
    var typeID: UInt32
    /// The versions that are meant; nil is every version that no other entry names.
    var versions: [ClosedRange<UInt8>]?
    /// VLANs that its VSIs may use, all of which fill in a null VID; empty allows every VLAN and fills in none.
    var vlans: [VLAN] = []
    /// Group IDs that its VSIs may use, and the VLAN of each.
    var groups: [UInt32: VLAN] = [:]
    /// VSIs of this type that there may be, on all ports together.
    var vsisMax: Int?
    /// Addresses that its VSIs may have; empty allows every address.
    var addresses: MACPatterns = []
    /// Ports where there may be VSIs of the type; nil is every port.
    var ports: Set<String>?
    /// What is imposed on the frames of its VSIs.
    var profile = VSIProfile()

    var key: Key { Key(manager: manager, typeID: typeID, versions: versions) }

    /// Whether this is a type of that version, by name.
    func names(version: UInt8) -> Bool { versions?.contains { $0.contains(version) } ?? false }
}

/// What a port imposes on the frames of a VSI that it has associated.
struct VSIProfile: Sendable, Hashable {
    /// Whether only the associated addresses may send. When not, every source in the VSI's VLANs may.
    var antiSpoofing = true
    /// Octets a second that each address of the VSI may send; nil is without limit.
    var octetsPerSecond: UInt64?
    /// EtherTypes that its frames may have; nil is any.
    var etherTypes: Set<UInt16>?
    /// Addresses that its VSIs may share with others that may as well, such as a virtual router's (VRRP). The bridge learns where
    /// such an address is.
    var sharedAddresses: MACPatterns = []

    /// Whether the address may be shared.
    func shares(_ address: MACAddress) -> Bool { sharedAddresses.matches(address) }
}
