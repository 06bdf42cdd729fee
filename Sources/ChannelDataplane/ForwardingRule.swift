internal import Dataplane
internal import EVBWire

/// The rule for frames that a Linux bridge forwards to an uplink that is its port: those with an S-tag are dropped.
///
/// Such a tag is beside the frame, as that of a channel's device, so that at the uplink's egress the two are the same. The rule is
/// nftables' and in the family bridge, where only forwarded frames come by. It holds for every port of the bridge, from its first frame
/// on, and touches none of them: a clsact discipline at a machine's tap would be in libvirt's way, which adds one of its own.
struct ForwardingRule {
    let uplink: String

    /// The table, which is this rule's alone. Names of interfaces may have letters that names of tables may not.
    var table: String { "evbd-uplink-" + uplink.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

    var installation: NftablesOperation {
        // Also where something is left of an earlier one.
        let commands = """
            add table bridge \(table)
            delete table bridge \(table)
            add table bridge \(table)
            add chain bridge \(table) forward { type filter hook forward priority -350; }
            add rule bridge \(table) forward oifname "\(uplink)" ether type 8021ad drop
            """
        return .change([.init(commands: commands)], declaration: "")
    }

    var removal: NftablesOperation {
        .change([.init(commands: "add table bridge \(table)\ndelete table bridge \(table)")], declaration: "")
    }

    var reading: NftablesOperation { .list(["chain bridge \(table) forward"]) }

    /// Whether a listing has the rule.
    static func stands(in listing: [String]) -> Bool { listing.contains { $0.utf8.range(of: "\"drop\"".utf8) != nil } }
}
