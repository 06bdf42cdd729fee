internal import EVBModel

// S-channels, as people read them.

extension Presenter {
    /// Which channel a port is.
    func channel(_ channel: SChannelStatus) -> Cell {
        let place = "SCID \(channel.scid) of \(channel.uplink)"
        guard let svid = channel.svid else { return Cell("\(place), without SVID", .bad) }
        return channel.reason == nil ? Cell("\(place), SVID \(svid)") : Cell("\(place), SVID \(svid), down", .bad)
    }

    /// How an interface is divided: what both sides say, and the channels.
    func uplink(_ uplink: UplinkStatus) -> [String] {
        var facts = Table(heading: ["S-CHANNELS", "LOCAL", "REMOTE"])
        func add(_ name: String, _ local: String, _ remote: String?) {
            facts.rows.append([Cell(name), Cell(local), Cell(remote ?? "-")])
        }
        add("CDCP", uplink.cdcp ? "on" : "off: as configured", uplink.peer.map { "\($0.chassisID) \($0.portID)" })
        add("State", uplink.state.rawValue, nil)
        add("Role", uplink.role.rawValue, uplink.remote?.role.rawValue)
        add("S-VLAN component", "1", uplink.remote.map { $0.sComponent ? "1" : "0" })
        add(
            "ChnCap", "\(uplink.adminCapacity) (\(uplink.operCapacity) in force)",
            uplink.remote.map { "\($0.capacity)" })
        if let low = uplink.svidPoolLow, let high = uplink.svidPoolHigh { add("SVID pool", "\(low)-\(high)", nil) }
        if uplink.cdcp { add("Pairs", pairs(uplink.local), uplink.remote.map(pairs)) }
        guard !uplink.channels.isEmpty else { return [facts.rendered(colour: colour)] }
        var channels = Table(heading: ["CHANNEL", "SCID", "SVID", "STATE"])
        channels.rows = uplink.channels.map { channel in
            [
                Cell(channel.interface), Cell("\(channel.scid)"), Cell(channel.svid.map { "\($0)" } ?? "none"),
                channel.reason.map { Cell("down: \($0)", .bad) } ?? Cell("up", .good),
            ]
        }
        return [facts.rendered(colour: colour), channels.rendered(colour: colour)]
    }

    private func pairs(_ tlv: CDCPTLVStatus?) -> String {
        guard let tlv else { return "-" }
        // More than a line of a terminal is in JSON.
        let shown = tlv.pairs.prefix(12).map { "(\($0.scid),\($0.svid))" }.joined(separator: " ")
        return tlv.pairs.count > 12 ? "\(shown) and \(tlv.pairs.count - 12) more" : shown
    }
}
