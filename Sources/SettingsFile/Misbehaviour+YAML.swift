// The keys of ports[].misbehave.

internal import EVBModel
internal import EVBWire

extension ConfigurationReader {
    /// What a bridge port is to do wrong.
    mutating func misbehaviour(_ node: YAMLNode, _ path: String) -> Misbehaviour {
        var result = Misbehaviour()
        let keys = ["refuse", "delay", "silent", "drop-acks", "vlan", "deassociate-every"]
        guard let entries = mapping(node, path, keys: keys) else { return result }
        if let node = entries["refuse"]?.value { refusals(node, "\(path).refuse", &result) }
        if let node = entries["delay"]?.value {
            result.delay = integer(node, "\(path).delay", in: Misbehaviour.delayRange)
        }
        if let node = entries["silent"]?.value {
            result.silent = choice(node, "\(path).silent", Misbehaviour.Silence.self)
        }
        if let node = entries["drop-acks"]?.value { droppedAcks(node, "\(path).drop-acks", &result) }
        if let node = entries["vlan"]?.value {
            result.vlan = integer(node, "\(path).vlan", in: Misbehaviour.vlanRange)
        }
        if let node = entries["deassociate-every"]?.value {
            result.deassociateEvery = integer(node, "\(path).deassociate-every", in: Misbehaviour.secondsRange)
        }
        if result.silent != nil, result.delay != nil, let entry = entries["delay"] {
            note(entry.line, "\(path).delay", "cannot be combined with silent", "give one of them")
        }
        return result
    }

    private mutating func refusals(_ node: YAMLNode, _ path: String, _ result: inout Misbehaviour) {
        guard let entries = mapping(node, path, keys: ["reason", "hard", "keep", "count", "vsi"]) else { return }
        if let node = entries["reason"]?.value {
            result.refuse = choice(node, "\(path).reason", Misbehaviour.Reason.self)
        } else {
            let reasons = Self.alternatives(Misbehaviour.Reason.allCases.map(\.rawValue))
            note(node.line, "\(path).reason", "is missing", "give \(reasons)")
        }
        if let node = entries["hard"]?.value { result.hard = boolean(node, "\(path).hard") ?? false }
        if let node = entries["keep"]?.value { result.keep = boolean(node, "\(path).keep") ?? false }
        if let node = entries["count"]?.value {
            result.refuseCount = integer(node, "\(path).count", in: Misbehaviour.countRange)
        }
        if let node = entries["vsi"]?.value {
            let remedy = "give a UUID, or ipv4:, ipv6:, mac: or local: and the ID"
            result.vsiID = text(node, "\(path).vsi", remedy)
            if let text = result.vsiID, VSIID(text) == nil {
                note(node.line, "\(path).vsi", "\(Self.quoted(text)) is no VSIID", remedy)
            }
        }
    }

    private mutating func droppedAcks(_ node: YAMLNode, _ path: String, _ result: inout Misbehaviour) {
        guard let entries = mapping(node, path, keys: ["count", "percent"]) else { return }
        if let node = entries["count"]?.value {
            result.dropAcks = integer(node, "\(path).count", in: Misbehaviour.countRange)
        }
        if let node = entries["percent"]?.value {
            result.dropAcksPercent = integer(node, "\(path).percent", in: Misbehaviour.percentRange)
        }
        if entries.count != 1 { note(node.line, path, "needs exactly one of count and percent", "give one of them") }
    }
}
