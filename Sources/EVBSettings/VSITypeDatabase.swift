// What an operator says of the VSI types that a bridge port serves. Values only: reading the file is in
// VSITypeDatabase+YAML.swift, deciding by it in VSITypeDatabase+Decision.swift.

package import EVBWire

/// The VSI types of one file (the standard's VSI type database; its form is left to each bridge).
package struct VSITypeDatabase: Sendable, Equatable {
    /// The file, as mistakes and log lines name it.
    package var file: String
    /// The manager that is meant where a station leaves the choice to the bridge (manager ID 0).
    package var defaultManager: ManagerName?
    /// Addresses that may send whatever is associated: the station's own, which no VSI stands for.
    package var allowedAddresses: Set<MACAddress> = []
    /// Addresses that no VSI may have, such as a gateway's.
    package var protectedAddresses: Set<MACAddress> = []
    /// The VXLAN network behind the port's bridge; nil is none.
    package var overlay: OverlaySettings?
    /// The types, in the order of the file.
    package var types: [VSIType] = []
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
    package init(file: String) { self.file = file }

    /// Adds a type.
    package mutating func append(_ type: VSIType) {
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

    /// Changes types in place: what they allow, not which ones they are.
    package mutating func updateTypes(_ body: (inout VSIType) -> Void) {
        for place in types.indices { body(&types[place]) }
    }

    /// The types of a type ID that a manager has as its own, in the order of the file.
    ///
    /// - Parameters:
    ///   - identifiers: the IDs by which the manager goes.
    ///   - typeID: the type ID.
    /// - Returns: the types.
    package func ownTypes(of identifiers: Set<VSIManagerID>, typeID: UInt32) -> [VSIType] {
        var places: Set<Int> = []
        for identifier in identifiers {
            places.formUnion(placesOfOwn[OwnKey(manager: identifier, typeID: typeID)] ?? [])
        }
        return places.sorted().map { types[$0] }
    }

    /// The types of a type ID that are everybody's, in the order of the file.
    package func sharedTypes(typeID: UInt32) -> [VSIType] { (placesOfShared[typeID] ?? []).map { types[$0] } }

    /// The first type of that name.
    package func type(named name: String) -> VSIType? { placeOfName[name].map { types[$0] } }

    /// Whether there are types for a manager at all: its own, or everybody's.
    package func serves(_ identifiers: Set<VSIManagerID>) -> Bool {
        !placesOfShared.isEmpty || !managers.isDisjoint(with: identifiers)
    }
}

/// A manager as an operator names it.
package struct ManagerName: Sendable, Hashable {
    /// As it stands in the file.
    package let text: String
    /// The IDs that are meant: a short number may stand at either end of the sixteen octets, for package sources do not settle
    /// where it belongs, and stations do it in both ways.
    package let identifiers: Set<VSIManagerID>

    package init?(_ text: String) {
        guard let first = VSIManagerID(text, placement: .first), let last = VSIManagerID(text, placement: .last) else {
            return nil
        }
        self.text = text
        identifiers = [first, last]
    }

    package static func == (left: ManagerName, right: ManagerName) -> Bool { left.identifiers == right.identifiers }
    package func hash(into hasher: inout Hasher) { hasher.combine(identifiers) }
}

/// One VSI type: what its VSIs may be, and what is imposed on their frames.
package struct VSIType: Sendable, Hashable {
    /// A VLAN with the default priority of its frames.
    package struct VLAN: Sendable, Hashable {
        /// 1 to 4094; 0 for the port's own VLAN, untagged, which a group may have.
        package var vid: UInt16
        /// 0 to 7; nil leaves it to the station.
        package var pcp: UInt8?
        /// The virtual network that the VLAN stands for here, 1 to 16777215; nil is none.
        package var vni: UInt32?

        package init(vid: UInt16, pcp: UInt8? = nil, vni: UInt32? = nil) {
            self.vid = vid
            self.pcp = pcp
            self.vni = vni
        }
    }

    /// Which names the type goes by: what makes it one type, also across a reload.
    package struct Key: Sendable, Hashable {
        package var manager: ManagerName?
        package var typeID: UInt32
        package var versions: [ClosedRange<UInt8>]?

        package init(manager: ManagerName? = nil, typeID: UInt32, versions: [ClosedRange<UInt8>]? = nil) {
            self.manager = manager
            self.typeID = typeID
            self.versions = versions
        }
    }

    /// What log lines call it.
    package var name: String
    /// Whose type it is; nil is anybody's who has no type of that ID of their own.
    package var manager: ManagerName?
    /// 0 to 16777215.
    package var typeID: UInt32
    /// The versions that are meant; nil is every version that no other entry names.
    package var versions: [ClosedRange<UInt8>]?
    /// VLANs that its VSIs may use, all of which fill in a null VID; empty allows every VLAN and fills in none.
    package var vlans: [VLAN] = []
    /// Group IDs that its VSIs may use, and the VLAN of each.
    package var groups: [UInt32: VLAN] = [:]
    /// VSIs of this type that there may be, on all ports together.
    package var vsisMax: Int?
    /// Addresses that its VSIs may have; empty allows every address.
    package var addresses: MACPatterns = []
    /// Ports where there may be VSIs of the type; nil is every port.
    package var ports: Set<String>?

    package init(
        name: String, manager: ManagerName? = nil, typeID: UInt32, versions: [ClosedRange<UInt8>]? = nil,
        vlans: [VLAN] = [], groups: [UInt32: VLAN] = [:], vsisMax: Int? = nil, addresses: MACPatterns = [],
        ports: Set<String>? = nil
    ) {
        self.name = name
        self.manager = manager
        self.typeID = typeID
        self.versions = versions
        self.vlans = vlans
        self.groups = groups
        self.vsisMax = vsisMax
        self.addresses = addresses
        self.ports = ports
    }
    /// What is imposed on the frames of its VSIs.
    package var profile = VSIProfile()

    package var key: Key { Key(manager: manager, typeID: typeID, versions: versions) }

    /// The virtual network of a filter entry of the type's VSIs; nil where it has none.
    package func vni(of entry: FilterEntry) -> UInt32? {
        if let group = entry.groupID { return groups[group]?.vni }
        return vlans.first { $0.vid == entry.vid }?.vni
    }

    /// Whether this is a type of that version, by name.
    package func names(version: UInt8) -> Bool { versions?.contains { $0.contains(version) } ?? false }
}

/// What a port imposes on the frames of a VSI that it has associated.
package struct VSIProfile: Sendable, Hashable {
    /// Whether only the associated addresses may send. When not, every source in the VSI's VLANs may.
    package var antiSpoofing = true
    /// EtherTypes with which a tag begins: 802.1Q, 802.1ad, three of its forerunners, 802.1ah's I-TAG, 802.1BR's E-TAG, VN-Tag.
    package static let tagTypes: Set<UInt16> = [0x8100, 0x88A8, 0x9100, 0x9200, 0x9300, 0x88E7, 0x893F, 0x8926]

    /// Octets a second that each address of the VSI may send; nil is without limit.
    package var octetsPerSecond: UInt64?
    /// EtherTypes that its frames may have; nil is any.
    package var etherTypes: Set<UInt16>?
    /// Addresses that its VSIs may share with others that may as well, such as a virtual router's (VRRP). The bridge learns where
    /// such an address is.
    package var sharedAddresses: MACPatterns = []

    package init(
        antiSpoofing: Bool = true, octetsPerSecond: UInt64? = nil, etherTypes: Set<UInt16>? = nil,
        sharedAddresses: MACPatterns = []
    ) {
        self.antiSpoofing = antiSpoofing
        self.octetsPerSecond = octetsPerSecond
        self.etherTypes = etherTypes
        self.sharedAddresses = sharedAddresses
    }

    /// Whether the address may be shared.
    package func shares(_ address: MACAddress) -> Bool { sharedAddresses.matches(address) }
}
