internal import JSON
internal import LinuxSystem

/// What nftables lists of the guest filter, which may come from an earlier run of evbd.
package struct GuestRulesListing: Equatable {
    /// The number of rules by chain (`GuestRules.key`), those without rules among them.
    var ruleCounts: [String: Int] = [:]
    /// The marks that the gates of ports let pass, by the ports' indices.
    var marks: [Int32: UInt32] = [:]
    /// The closed addresses of ports, by the ports' indices.
    var closed: [Int32: Set<HardwareAddress>] = [:]

    /// Lists nothing.
    init() {}

    /// Reads listings in nft's JSON; what is not understood is left out.
    init(json listings: [String]) {
        for listing in listings {
            let value = try? JSONValue(parsing: Array(listing.utf8))
            guard case .array(let objects)? = value?["nftables"] else { continue }
            for object in objects { take(object) }
        }
    }

    /// The links that have chains.
    var links: [Int32] { indices("link") }

    /// The ports that have chains.
    var ports: [Int32] { indices("port") }

    /// Whether there are rules that keep the host's IP off links, in one family at least.
    var keepsHostOff: Bool {
        ["inet", "arp"].contains { ruleCounts[GuestRules.key("host-in", family: $0)] != nil }
    }

    private func indices(_ what: String) -> [Int32] {
        let found = ruleCounts.keys.compactMap { name -> Int32? in
            let parts = name.split(separator: "-")
            return parts.count == 3 && parts[0] == what ? Int32(parts[1]) : nil
        }
        return Set(found).sorted()
    }

    private mutating func take(_ object: JSONValue) {
        if let chain = object["chain"], let name = Self.string(chain["name"]) {
            ruleCounts[Self.key(name, in: chain), default: 0] += 0
        }
        if let rule = object["rule"], let chain = Self.string(rule["chain"]) {
            ruleCounts[Self.key(chain, in: rule), default: 0] += 1
            takeMark(rule, chain)
        }
        if let set = object["set"], let name = Self.string(set["name"]), name.hasPrefix("closed-"),
            let index = Int32(name.dropFirst("closed-".count))
        {
            var addresses: Set<HardwareAddress> = []
            if case .array(let elements)? = set["elem"] {
                for element in elements { if let address = Self.address(element) { addresses.insert(address) } }
            }
            closed[index] = addresses
        }
    }

    private mutating func takeMark(_ rule: JSONValue, _ chain: String) {
        let parts = chain.split(separator: "-")
        guard parts.count == 3, parts[0] == "port", parts[2] == "out", let index = Int32(parts[1]),
            case .array(let expressions)? = rule["expr"]
        else { return }
        for expression in expressions {
            guard let match = expression["match"], Self.string(match["left"]?["meta"]?["key"]) == "mark",
                Self.string(match["op"]) == "==", case .number(let text)? = match["right"], let mark = UInt32(text)
            else { continue }
            marks[index] = mark
        }
    }

    private static func key(_ chain: String, in object: JSONValue) -> String {
        GuestRules.key(chain, family: string(object["family"]) ?? "netdev")
    }

    private static func string(_ value: JSONValue?) -> String? {
        guard case .string(let text)? = value else { return nil }
        return text
    }

    private static func address(_ element: JSONValue) -> HardwareAddress? {
        guard let text = string(element) else { return nil }
        let octets = text.split(separator: ":").compactMap { UInt8($0, radix: 16) }
        return HardwareAddress(octets: octets)
    }
}
