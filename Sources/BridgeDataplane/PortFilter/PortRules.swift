// The rules of one port in nft's language, and what nft lists of them, read back.
//
// The family is bridge and the hook prerouting: there a frame has its port, and nothing has been learned from it yet. The family
// netdev would meet a frame a little earlier, and tc's flower could do as much; but kernels are built without the one (User Mode
// Linux) or the other (cloud images), while every kernel with nftables and bridges has this. evbd's own sockets take LLDP and ECP
// before either, so that nothing here can keep them from it.
//
// The kernel takes the outer tag off a frame, if that is of 802.1Q or 802.1ad, before prerouting: `ether type` and `vlan id` are of
// that tag, `vlan type` stands behind it, and `meta protocol` is that too on Linux 6.18, but on 7.2 what stands behind a second tag. A
// second tag, or one in front that the kernel does not know, would be read as a VLAN on some link further on: the bridge takes a tag
// with VLAN 0 or its PVID off where it sends untagged frames.
//
// One table holds all ports. Whichever they are and however many VSIs they have, a frame costs a lookup of its port and at most
// six of its addresses and VLAN, all of them in hash tables; and a change is an element put in or taken out. An evbd that takes
// over the table of an older one finds the sets of that under the same names and types, and none of its rules.

internal import EVBSettings
internal import EVBWire

/// Names and texts of the rules of one port.
package struct PortRules {
    package static let tableName = "evbd"
    package static let table = "bridge \(tableName)"
    package static let tagTypes = VSIProfile.tagTypes
    /// The command that finds out whether the table is there.
    static let tableListing = "list chain \(table) arriving"

    /// The command that lists the ports that there are rules for.
    static let portsListing = "list map \(table) ports"
    /// Those that list the ports whose frames are counted as they go out, or are dropped.
    static let counterListings = ["egress", "dropped"].map { "list map \(table) \($0)" }

    package let port: String
    /// The port's name as nft takes it as part of a name: what it would not take is hexadecimal after a slash.
    private let suffix: String

    /// Rules for a port; nil for a name that nftables cannot have in a text.
    package init?(port: String) {
        guard !port.utf8.contains(where: { $0 == 0x22 || $0 == 0x5C || $0 == 0x2A || $0 <= 0x20 || $0 == 0x7F }) else {
            return nil
        }
        self.port = port
        suffix = port.utf8.reduce(into: "") { text, octet in
            let character = Character(Unicode.Scalar(octet))
            if character.isASCII, character.isLetter || character.isNumber || character == "-" || character == "_" {
                text.append(character)
            } else {
                text += "/" + (octet < 16 ? "0" : "") + String(octet, radix: 16)
            }
        }
    }

    /// Where the elements of an impositions' kind are.
    package enum Collection: String, CaseIterable {
        case stations, rates, untagged, tagged, vlans, open
        /// VLANs in which the port has a VSI.
        case served
        /// The ledger: entries of the bridge's forwarding database that are evbd's, and so to be removed by it. Rules do not use it.
        case forwarding
        /// The ledger of the port's VLANs that are evbd's.
        case members
        /// The ledger: has the port where it learns nothing by evbd's will.
        case quiet
        /// The ledger of what is evbd's at the VXLAN device for VSIs here: VNIs, VLANs of it, and how these are mapped to VNIs.
        case networks, carried, tunnels
        /// Addresses in VLANs whose frames are counted as they come in, and those of frames without a tag.
        case sentTagged = "sent"
        case sentPlain = "sentplain"
        /// The same of frames that go out to them.
        case receivedTagged = "received"
        case receivedPlain = "receivedplain"

        var isMap: Bool {
            switch self {
            case .untagged, .tagged, .vlans, .open: true
            case .stations, .rates, .served, .forwarding, .members, .quiet, .networks, .carried, .tunnels: false
            case .sentTagged, .sentPlain, .receivedTagged, .receivedPlain: false
            }
        }

        /// Whether each element counts.
        package var isCounting: Bool {
            switch self {
            case .sentTagged, .sentPlain, .receivedTagged, .receivedPlain: true
            case .stations, .rates, .untagged, .tagged, .vlans, .open, .served, .forwarding, .members, .quiet,
                .networks,
                .carried, .tunnels:
                false
            }
        }

        fileprivate var declaration: String {
            switch self {
            case .stations: "type ether_addr;"
            // An element of it brings a limit of its own.
            case .rates: "type ether_addr; size 65535; flags dynamic;"
            case .untagged: "type ether_addr : verdict;"
            case .tagged: "typeof ether saddr . vlan id : verdict;"
            case .vlans: "typeof vlan id : verdict;"
            case .open: "type ifname : verdict;"
            case .forwarding: "typeof ether saddr . vlan id;"
            case .served, .members: "typeof vlan id;"
            case .quiet: "type ifname;"
            // A mark is a number of 32 bits.
            case .networks: "type mark;"
            case .carried, .tunnels: "typeof vlan id . meta mark;"
            case .sentTagged: "typeof ether saddr . vlan id; counter;"
            case .receivedTagged: "typeof ether daddr . vlan id; counter;"
            case .sentPlain, .receivedPlain: "type ether_addr; counter;"
            }
        }
    }

    package func name(_ collection: Collection) -> String { "\(collection.rawValue)-\(suffix)" }

    private var chain: String { "port-\(suffix)" }

    /// The chain of what goes out by the port. It only counts.
    private var departureChain: String { "to-\(suffix)" }

    /// The counter of the port's frames that the rules drop. It is apart from these, so that it goes on when they are set up again.
    package var dropCounter: String { "dropped-\(suffix)" }

    // MARK: The table and the port's part in it

    /// Sets the port's rules up, or sets them right; elements that there are stay.
    package var declaration: String {
        var lines = [
            "add table \(Self.table)",
            "add map \(Self.table) ports { type ifname : verdict; }",
            "add chain \(Self.table) arriving { type filter hook prerouting priority filter; policy accept; }",
            "flush chain \(Self.table) arriving",
            "add rule \(Self.table) arriving iifname vmap @ports",
            "add map \(Self.table) egress { type ifname : verdict; }",
            "add map \(Self.table) dropped { type ifname : counter; }",
            "add chain \(Self.table) departing { type filter hook postrouting priority filter; policy accept; }",
            "flush chain \(Self.table) departing",
            "add rule \(Self.table) departing oifname vmap @egress",
            "add counter \(Self.table) \(dropCounter)",
            "add chain \(Self.table) \(chain)",
            "flush chain \(Self.table) \(chain)",
            "add chain \(Self.table) \(departureChain)",
            "flush chain \(Self.table) \(departureChain)",
        ]
        for collection in Collection.allCases {
            let kind = collection.isMap ? "map" : "set"
            lines.append("add \(kind) \(Self.table) \(name(collection)) { \(collection.declaration) }")
        }
        lines.append("add set \(Self.table) \(overlaySet) { type ifname; }")
        lines += rules.map { "add rule \(Self.table) \(chain) \($0)" }
        lines += departureRules.map { "add rule \(Self.table) \(departureChain) \($0)" }
        lines.append("add element \(Self.table) dropped { \"\(port)\" : \"\(dropCounter)\" }")
        lines.append("add element \(Self.table) egress { \"\(port)\" : goto \(departureChain) }")
        lines.append("add element \(Self.table) ports { \"\(port)\" : goto \(chain) }")
        return lines.joined(separator: "\n")
    }

    /// The number of rules by the chains that the port's frames go through, but for those of EtherTypes.
    package var ruleCounts: [String: Int] {
        ["arriving": 1, "departing": 1, chain: rules.count, departureChain: departureRules.count]
    }

    private var rules: [String] {
        let drop = "counter name \(dropCounter) drop"
        return [
            // Of these addresses a bridge relays nothing (802.1Q 8.6.3); a Linux bridge without spanning tree would.
            "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 drop",
            // In front: what a bridge further on may take for a tag. Behind: any second tag.
            "ether type { \(Self.list(Self.tagTypes.subtracting([0x8100]))) } \(drop)",
            "ether type 8021q vlan type { \(Self.list(Self.tagTypes)) } \(drop)",
            "meta protocol { \(Self.list(Self.tagTypes)) } \(drop)",
        ]
            + Self.counting("saddr", name(.sentTagged), name(.sentPlain)) + [
                // A station's own frames: untagged, or in a VLAN that a VSI here is in.
                "ether type != 8021q ether saddr @\(name(.stations)) accept",
                "ether type 8021q vlan id 0 ether saddr @\(name(.stations)) accept",
                "ether type 8021q ether saddr @\(name(.stations)) vlan id @\(name(.served)) accept",
                "ether saddr @\(name(.rates)) \(drop)",
                "ether type 8021q ether saddr . vlan id vmap @\(name(.tagged))",
                "ether type 8021q vlan id vmap @\(name(.vlans))",
                // A tag with VLAN 0 has a priority only.
                "ether type 8021q vlan id != 0 \(drop)",
                "ether saddr vmap @\(name(.untagged))",
                "iifname vmap @\(name(.open))",
                "\(drop)",
            ]
    }

    private var departureRules: [String] { Self.counting("daddr", name(.receivedTagged), name(.receivedPlain)) }

    /// Rules without a verdict: frames go on, and what finds an element is counted there.
    private static func counting(_ address: String, _ tagged: String, _ plain: String) -> [String] {
        [
            "ether type 8021q ether \(address) . vlan id @\(tagged)",
            "ether type 8021q vlan id 0 ether \(address) @\(plain)",
            "ether type != 8021q ether \(address) @\(plain)",
        ]
    }

    private static func list(_ etherTypes: Set<UInt16>) -> String {
        etherTypes.sorted().map { "0x" + hexadecimal($0) }.joined(separator: ", ")
    }

    /// Takes all of the port's rules away: whatever comes in by it passes then.
    package var removal: String {
        var lines = [
            "delete element \(Self.table) ports { \"\(port)\" }", "delete element \(Self.table) egress { \"\(port)\" }",
            "delete element \(Self.table) dropped { \"\(port)\" }",
            "flush chain \(Self.table) \(chain)", "delete chain \(Self.table) \(chain)",
            "flush chain \(Self.table) \(departureChain)", "delete chain \(Self.table) \(departureChain)",
            "delete counter \(Self.table) \(dropCounter)",
        ]
        for collection in Collection.allCases {
            lines.append("delete \(collection.isMap ? "map" : "set") \(Self.table) \(name(collection))")
        }
        lines.append("delete set \(Self.table) \(overlaySet)")
        return lines.joined(separator: "\n")
    }

    /// The ledger: the VXLAN device that has what the port's VSIs need of one.
    private var overlaySet: String { "overlay-\(suffix)" }

    /// The command that lists the VXLAN device.
    var overlayListing: String { "list set \(Self.table) \(overlaySet)" }

    /// The commands that note another VXLAN device.
    func overlayChange(_ device: String) -> String {
        "flush set \(Self.table) \(overlaySet)\nadd element \(Self.table) \(overlaySet) { \"\(device)\" }"
    }

    /// The command that lists a collection.
    package func listing(_ collection: Collection) -> String {
        "list \(collection.isMap ? "map" : "set") \(Self.table) \(name(collection))"
    }

    // MARK: Elements

    /// The commands that put an imposition into force, or into the ledger.
    func addition(_ item: Imposition, _ value: ImpositionValue) -> String {
        let (collection, key) = element(item)
        return "add element \(Self.table) \(name(collection)) { \(key)\(Self.text(value)) }"
    }

    /// The command that takes it out.
    func deletion(_ item: Imposition) -> String {
        let (collection, key) = element(item)
        return "delete element \(Self.table) \(name(collection)) { \(key) }"
    }

    /// Where the elements of an imposition are.
    func collection(of item: Imposition) -> Collection {
        switch item {
        case .station: .stations
        case .rate: .rates
        case .untagged(nil): .open
        case .untagged: .untagged
        case .tagged(nil, _): .vlans
        case .tagged: .tagged
        case .forwarding: .forwarding
        case .served: .served
        case .member: .members
        case .quiet: .quiet
        case .network: .networks
        case .carried: .carried
        case .tunnel: .tunnels
        case .sent(_, 0): .sentPlain
        case .sent: .sentTagged
        case .received(_, 0): .receivedPlain
        case .received: .receivedTagged
        }
    }

    private func element(_ item: Imposition) -> (Collection, key: String) {
        let key =
            switch item {
            case .station(let address), .rate(let address), .untagged(let address?), .sent(let address, 0),
                .received(let address, 0):
                "\(address)"
            case .untagged(nil), .quiet: "\"\(port)\""
            case .tagged(let address?, let vid), .forwarding(let address, let vid), .sent(let address, let vid),
                .received(let address, let vid):
                "\(address) . \(vid)"
            case .tagged(nil, let vid), .served(let vid), .member(let vid): "\(vid)"
            case .network(let vni): "\(vni)"
            case .carried(let vid, let vni), .tunnel(let vid, let vni): "\(vid) . \(vni)"
            }
        return (collection(of: item), key)
    }

    /// A burst is as much as one frame can be before it is cut for the wire.
    static let burst: UInt32 = 65_536

    private static func text(_ value: ImpositionValue) -> String {
        switch value {
        case .plain: ""
        case .rate(let octets): " limit rate over \(octets) bytes/second burst \(burst) bytes"
        case .pass(nil): " : accept"
        case .pass(let types?): " : goto \(chain(of: types))"
        }
    }

    // MARK: EtherTypes

    /// The chain that lets frames of some EtherTypes pass. Its name says which, so that it never needs to change.
    package static func chain(of etherTypes: Set<UInt16>) -> String {
        "ethertypes" + etherTypes.sorted().map { "-" + hexadecimal($0) }.joined()
    }

    static func chainDeclaration(of etherTypes: Set<UInt16>) -> String {
        let chain = chain(of: etherTypes)
        var lines = [
            "add map \(table) dropped { type ifname : counter; }", "add chain \(table) \(chain)",
            "flush chain \(table) \(chain)",
        ]
        if !etherTypes.isEmpty {
            lines.append("add rule \(table) \(chain) meta protocol { \(list(etherTypes)) } accept")
        }
        // All ports share the chain. A rule whose map has no such port ends there: it must not be the one that drops.
        lines.append("add rule \(table) \(chain) counter name iifname map @dropped")
        lines.append("add rule \(table) \(chain) counter drop")
        return lines.joined(separator: "\n")
    }

    static func chainRemoval(of etherTypes: Set<UInt16>) -> String {
        "flush chain \(table) \(chain(of: etherTypes))\ndelete chain \(table) \(chain(of: etherTypes))"
    }

    /// Four digits.
    private static func hexadecimal(_ number: UInt16) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }

    /// The EtherTypes of a chain's name.
    package static func etherTypes(ofChain name: String) -> Set<UInt16>? {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        let types = parts.dropFirst().map { UInt16($0, radix: 16) }
        guard parts.first == "ethertypes", types.allSatisfy({ $0 != nil }) else { return nil }
        return Set(types.compactMap { $0 })
    }
}
