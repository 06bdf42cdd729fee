// The guest filter as text for nftables: values in, commands out. Nothing here talks to the kernel.

internal import Dataplane
package import LinuxSystem
internal import Nftables

/// Writes the commands that make and remove the guest filter's rules.
///
/// All rules are in the family netdev, which meets a link's frames before anything else has them: at a macvtap's egress
/// what its machine sends, at its ingress what the machine is about to hear. A tap in a bridge is the other way round,
/// so both ends of a link have the same rules.
package enum GuestRules {
    static let table = "netdev \(tableID.name)"
    static let tableID = TableID(.netdev, "evbd-guests")
    /// The tables that keep the host's own IP off the links that evbd makes.
    static let hostTables = ["inet evbd-guests", "arp evbd-guests"]

    /// The group addresses that bridges keep for themselves, 01:80:c2:00:00:00 to :0f.
    private static let reserved = "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00"
    /// Both ECPs, and the tag types that one could hide behind.
    private static let ecpAndTags = "0x8940, 0x88b7, 0x8100, 0x88a8, 0x9100, 0x9200"
    private static let lldp = "0x88cc"
    /// True for frames from a socket in the port's own network namespace only. The kernel compares the namespace before
    /// the user, so that no mark and no address makes a container's frame pass for the host's.
    private static let fromHostSocket = "meta skuid >= 0"

    /// The rules of one link of a machine.
    package struct Guest: Equatable {
        var index: Int32
        var name: String
        /// The link has the port for itself (passthru). Its machine may speak 802.1X and LACP.
        var isAlone = false
    }

    /// The rules of a port.
    package struct Gate: Equatable {
        package var index: Int32
        package var name: String
        /// What frames of evbd bear (SO_MARK); not 0.
        package var mark: UInt32
        /// The group address beyond the standards' at which switch and host speak; nil is none.
        package var groupAddress: HardwareAddress?
        /// The port's own address, if the kernel may send BPDUs from it: the port is in a bridge that runs STP.
        var spanningTreeSource: HardwareAddress?
        /// The port is in a bridge without STP that has other cards: what it forwards of the network's own BPDUs is how the
        /// network notices a loop.
        var forwardsSpanningTree = false
        /// A machine has the port for itself.
        var hasLoneGuest = false
        /// The port is part of a bond, for which the kernel sends LACP without a socket.
        var isBonded = false
    }

    /// Commands, and what a listing shows while they are in force.
    struct Change: Equatable {
        private var text = ""
        private var addresses: AddressSetChange?
        private(set) var isJSON = false
        /// The number of rules by the keys of chains.
        package var ruleCounts: [String: Int] = [:]
        /// What the commands do, for the kernel itself, where the table and the chains that all links share are there.
        var direct: TableChanges?

        /// Commands in nft's language, or in JSON where nft cannot have a name between quotation marks.
        init(commands: String, isJSON: Bool = false, ruleCounts: [String: Int] = [:], direct: TableChanges? = nil) {
            text = commands
            self.isJSON = isJSON
            self.ruleCounts = ruleCounts
            self.direct = direct
        }

        init(_ addresses: AddressSetChange) { self.addresses = addresses }

        var commands: String { addresses?.commands ?? text }

        /// For the worker.
        ///
        /// - Parameter isDirect: Whether the table and those chains are there.
        /// - Returns: What the worker does.
        func operation(isDirect: Bool) -> NftablesOperation.Change {
            if let addresses { return NftablesOperation.Change(addresses, isDirect: isDirect) }
            return NftablesOperation.Change(commands: text, isJSON: isJSON, direct: isDirect ? direct : nil)
        }
    }

    /// What a chain is counted by: its name, with the family of its table before it where that is not netdev.
    static func key(_ chain: String, family: String) -> String { family == "netdev" ? chain : "\(family) \(chain)" }

    // MARK: What all links share

    /// Makes the table and the chains that links jump to. Precedes every other command.
    static let declaration = """
        add table \(table)
        add chain \(table) guests
        flush chain \(table) guests
        add rule \(table) guests \(reserved) counter drop
        add chain \(table) lone-guests
        flush chain \(table) lone-guests
        add rule \(table) lone-guests ether type { \(lldp), \(ecpAndTags) } \(reserved) counter drop
        """

    /// The number of rules that `declaration` makes, by chain.
    static let declaredRuleCounts = ["guests": 1, "lone-guests": 1]

    // MARK: Links

    /// Makes the rules of a link, or replaces them.
    ///
    /// - Returns: nil for a name that nftables cannot have.
    static func protect(_ guest: Guest) -> Change? {
        guard isExpressible(guest.name) else { return nil }
        let (out, into) = chains("link", guest.index)
        let target = target(guest)
        let isJSON = guest.name.utf8.contains(0x22)
        let commands = """
            \(removal([out, into]))
            \(hook(out, "egress", guest.name))
            add rule \(table) \(out) jump \(target)
            \(hook(into, "ingress", guest.name))
            add rule \(table) \(into) jump \(target)
            """
        return Change(
            commands: isJSON ? json(guest.name, out, into, target) : commands, isJSON: isJSON,
            ruleCounts: [out: 1, into: 1],
            direct: TableChanges(tableID, directRemoval([out, into]) + directRules(guest, isNew: false)))
    }

    /// Makes the rules of a link that has none, which spares the kernel six changes of ten; refused where it has some.
    static func create(_ guest: Guest) -> TableChanges { TableChanges(tableID, directRules(guest, isNew: true)) }

    private static func directRules(_ guest: Guest, isNew: Bool) -> [TableChange] {
        let (out, into) = chains("link", guest.index)
        return [(out, DeviceHook.Direction.egress), (into, .ingress)].flatMap { chain, direction -> [TableChange] in
            let hook = DeviceHook(direction, device: guest.name, priority: priority)
            return [
                isNew ? .createChain(chain, hook) : .addChain(chain, hook),
                .addJump(chain: chain, target: target(guest)),
            ]
        }
    }

    private static func target(_ guest: Guest) -> String { guest.isAlone ? "lone-guests" : "guests" }

    /// Removes the rules of a link, which may be gone.
    static func release(link index: Int32) -> Change {
        let (out, into) = chains("link", index)
        return Change(
            commands: removal([out, into]), direct: TableChanges(tableID, directRemoval([out, into])))
    }

    // MARK: Ports

    /// Makes the gate of a port, or replaces it. The set of closed addresses stays as it is.
    ///
    /// - Returns: nil for a name that nftables cannot have.
    static func protect(_ gate: Gate) -> Change? {
        guard isExpressible(gate.name), !gate.name.utf8.contains(0x22) else { return nil }
        let (out, into) = chains("port", gate.index)
        var rules = [
            // The namespace alone would let each program of the host pass, the mark alone each container that guesses it.
            "\(fromHostSocket) meta mark \(gate.mark) accept",
            "ether saddr @\(closedSet(gate.index)) counter drop",
            "ether type { \(ecpAndTags) } \(reserved) counter drop",
            "ether type \(lldp) ether daddr 01:80:c2:00:00:00 counter drop",
        ]
        let further = gate.groupAddress.map { "ether type { \(lldp), \(ecpAndTags) } ether daddr \($0) counter drop" }
        rules += [further, "\(reserved) \(fromHostSocket) accept"].compactMap { $0 }
        if let source = gate.spanningTreeSource {
            // BPDUs, which have a length where other frames have a type.
            rules.append("ether daddr 01:80:c2:00:00:00 ether saddr \(source) ether type < 0x0600 accept")
        }
        if gate.forwardsSpanningTree { rules.append("ether daddr 01:80:c2:00:00:00 ether type < 0x0600 accept") }
        // 802.1X and LACP.
        if gate.hasLoneGuest { rules.append("ether type { 0x888e, 0x8809 } \(reserved) accept") }
        if gate.isBonded { rules.append("ether type 0x8809 ether daddr 01:80:c2:00:00:02 accept") }
        rules.append("\(reserved) counter drop")
        let lines =
            [removal([out, into]), declareClosedSet(gate.index), hook(out, "egress", gate.name)]
            + rules.map { "add rule \(table) \(out) \($0)" }
            + [
                hook(into, "ingress", gate.name),
                "add rule \(table) \(into) ether type { \(lldp), \(ecpAndTags) } \(reserved) counter drop",
            ] + [further].compactMap { $0 }.map { "add rule \(table) \(into) \($0)" }
        return Change(
            commands: lines.joined(separator: "\n"), ruleCounts: [out: rules.count, into: further == nil ? 1 : 2])
    }

    /// Removes the gate of a port, which may be gone.
    static func release(port index: Int32) -> Change {
        let (out, into) = chains("port", index)
        return Change(
            commands: """
                \(removal([out, into]))
                \(declareClosedSet(index))
                delete set \(table) \(closedSet(index))
                """)
    }

    /// Adds addresses to the closed ones of a port, and takes others out. It does not matter which of them are there.
    static func closed(_ index: Int32, adding: [HardwareAddress], removing: [HardwareAddress]) -> Change {
        Change(AddressSetChange(tableID, set: closedSet(index), adding: adding, removing: removing))
    }

    static func closedSet(_ index: Int32) -> String { "closed-\(index)" }

    private static func declareClosedSet(_ index: Int32) -> String {
        "add set \(table) \(closedSet(index)) { type ether_addr; }"
    }

    // MARK: The host's own IP

    /// Keeps the host's IP off all links of some groups, in one family. A macvtap hands its machine's frames over before
    /// these hooks, so that only what the host itself would take or send is dropped.
    static func keepHostOff(groups: [UInt32], table: String) -> Change {
        let family = String(table.prefix { $0 != " " })
        let isARP = family == "arp"
        let hook = isARP ? "input" : "prerouting"
        let rules = [("host-in", "iifgroup"), ("host-out", "oifgroup")].flatMap { chain, key in
            groups.map { "add rule \(table) \(chain) meta \(key) \($0) counter drop" }
        }
        return Change(
            commands: """
                \(removeTable(table))
                add table \(table)
                add chain \(table) host-in { type filter hook \(hook) priority -500; }
                add chain \(table) host-out { type filter hook output priority -500; }
                \(rules.joined(separator: "\n"))
                """,
            ruleCounts: [
                key("host-in", family: family): groups.count, key("host-out", family: family): groups.count,
            ])
    }

    static func removeTable(_ table: String) -> String { "add table \(table)\ndelete table \(table)" }

    // MARK: Parts

    /// Of the chains of links and ports; in front of what else there is.
    private static let priority: Int32 = -500

    static func chains(_ what: String, _ index: Int32) -> (out: String, in: String) {
        ("\(what)-\(index)-out", "\(what)-\(index)-in")
    }

    private static func hook(_ chain: String, _ hook: String, _ device: String) -> String {
        "add chain \(table) \(chain) { type filter hook \(hook) device \"\(device)\" priority \(priority); }"
    }

    /// Adding a chain that is there is no mistake, removing one that is not would be.
    private static func removal(_ chains: [String]) -> String {
        chains.map { chain in
            "add chain \(table) \(chain)\nflush chain \(table) \(chain)\ndelete chain \(table) \(chain)"
        }.joined(separator: "\n")
    }

    private static func directRemoval(_ chains: [String]) -> [TableChange] {
        chains.flatMap { [.addChain($0), .flushChain($0), .removeChain($0)] }
    }

    /// Whether nftables can have a name: nft and libnftables take a star at the end for any ending, and what Swift has
    /// had to repair is not the name.
    private static func isExpressible(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.last != 0x2A && !name.unicodeScalars.contains("\u{FFFD}")
            && !name.utf8.contains { $0 < 0x20 || $0 == 0x7F }
    }

    /// nft has no way to write a quotation mark in a name, JSON has.
    private static func json(_ name: String, _ out: String, _ into: String, _ target: String) -> String {
        let quoted = name.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
        let place = #""family": "netdev", "table": "evbd-guests""#
        var commands: [String] = []
        for (chain, hook) in [(out, "egress"), (into, "ingress")] {
            let bare = #"{"chain": {\#(place), "name": "\#(chain)"}}"#
            commands += [#"{"add": \#(bare)}"#, #"{"flush": \#(bare)}"#, #"{"delete": \#(bare)}"#]
            commands.append(
                #"{"add": {"chain": {\#(place), "name": "\#(chain)", "type": "filter", "hook": "\#(hook)", "#
                    + #""prio": -500, "dev": "\#(quoted)"}}}"#)
            commands.append(
                #"{"add": {"rule": {\#(place), "chain": "\#(chain)", "expr": [{"jump": {"target": "\#(target)"}}]}}}"#)
        }
        return #"{"nftables": [\#(commands.joined(separator: ", "))]}"#
    }
}
