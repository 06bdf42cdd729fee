internal import BridgeDataplane
internal import EVBModel
internal import EVBPorts
internal import EVBWire
internal import Glibc
internal import LinuxSystem
internal import Netlink
internal import Nftables

/// Reads what the rules of a port with VSI types have counted.
struct PortRuleCounters: RuleCounters {
    private let port: String

    /// Counters of the port of that name.
    init(port: String) { self.port = port }

    func read(addresses: Bool) -> (any RuleReading)? {
        guard let rules = PortRules(port: port), let reader = try? CounterReader(table: PortRules.tableName) else {
            return nil
        }
        do throws(SystemError) {
            var reading = PortRuleReading(tags: tags, drops: nil)
            reading.drops = try reader.counter(rules.dropCounter).map { PortRuleReading.whole($0, isTagged: false) }
            guard addresses else { return reading }
            for collection in PortRules.Collection.allCases where collection.isCounting {
                let counts = try reader.elements(of: rules.name(collection))
                for (key, count) in counts {
                    guard let item = PortRules.imposition(collection, key: key) else { continue }
                    reading.counts[PackedImposition(item)] = PortRuleReading.whole(count, isTagged: item.isTagged)
                }
            }
            return reading
        } catch {
            // The rules are just being set up, or another process has removed them.
            return nil
        }
    }

    /// How the bridge tells VLANs apart now.
    private var tags: PortTags {
        let none = PortTags(filtersVLANs: false, pvid: nil)
        let index = Int32(bitPattern: if_nametoindex(port))
        guard index != 0, let kernel = try? BridgePorts(), let bridge = try? kernel.bridge(ofPort: index),
            bridge.filtersVLANs == true
        else { return none }
        return PortTags(filtersVLANs: true, pvid: (try? kernel.vlans(portIndex: index))?.pvid)
    }
}

extension Imposition {
    /// Whether frames have a tag of their VLAN where they are counted.
    fileprivate var isTagged: Bool {
        switch self {
        case .sent(_, let vid), .received(_, let vid): vid != 0
        default: false
        }
    }
}

/// What one reading has found.
private struct PortRuleReading: RuleReading {
    let tags: PortTags
    var drops: FrameCounts?
    var counts: [PackedImposition: FrameCounts] = [:]

    /// Counts with the octets of headers, which a bridge's rules do not see: as a link counts them.
    static func whole(_ counts: FrameCounts, isTagged: Bool) -> FrameCounts {
        let header = counts.frames.multipliedReportingOverflow(by: isTagged ? 18 : 14).partialValue
        return FrameCounts(frames: counts.frames, octets: counts.octets &+ header)
    }

    var dropped: TrafficCounts? { drops.map { Self.traffic($0) } }

    func traffic(of entries: [FilterEntry]) -> VSITraffic? {
        var (sent, received) = (FrameCounts?.none, FrameCounts?.none)
        var seen: Set<PackedImposition> = []
        for entry in entries {
            guard let address = entry.macAddress else { continue }
            for vid in tags.tags(of: entry.vid) {
                let items = (PackedImposition(.sent(address, vid)), PackedImposition(.received(address, vid)))
                // An address may be in the filter twice.
                guard seen.insert(items.0).inserted else { continue }
                Self.add(counts[items.0], to: &sent)
                Self.add(counts[items.1], to: &received)
            }
        }
        guard sent != nil || received != nil else { return nil }
        return VSITraffic(sent: sent.map { Self.traffic($0) }, received: received.map { Self.traffic($0) })
    }

    private static func add(_ counts: FrameCounts?, to sum: inout FrameCounts?) {
        guard let counts else { return }
        let former = sum ?? FrameCounts()
        sum = FrameCounts(frames: former.frames &+ counts.frames, octets: former.octets &+ counts.octets)
    }

    private static func traffic(_ counts: FrameCounts) -> TrafficCounts {
        TrafficCounts(frames: Int(clamping: counts.frames), octets: Int(clamping: counts.octets), drops: nil)
    }
}
