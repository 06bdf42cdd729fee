// What lldpad.conf says of EVB, as ports of evbd; and what of it evbd has no counterpart for.

internal import EVBModel
internal import TerminalText

/// The EVB part of an lldpad.conf.
package struct LldpadImport: Sendable, Equatable {
    /// An interface on which lldpad runs EVB.
    package struct Port: Sendable, Equatable {
        package enum Role: Sendable, Equatable {
            /// - Parameter asksForRelay: whether the station asks for reflective relay.
            case station(asksForRelay: Bool)
            /// - Parameter reflects: whether the bridge offers reflective relay.
            case bridge(reflects: Bool)
        }

        package var interface: String
        package var role: Role
        /// Whether lldpad speaks the pre-standard protocol "0.2" there.
        package var isDraft = false
        /// Whether GroupIDs are offered; nil where the dialect has no word for it.
        package var groupIDs: Bool?
        /// ECP and VDP timers that the file sets.
        package var retries: Int64?
        package var rte: Int64?
        package var rwd: Int64?
        package var rka: Int64?
        /// What is different with evbd, or has no counterpart.
        package var remarks: [String] = []
    }

    /// In the order of the file.
    package private(set) var ports: [Port] = []
    /// What of the file belongs to no port and is not carried over.
    package private(set) var notes: [String] = []

    /// Finds EVB in a configuration of lldpad.
    package init(_ file: LibconfigGroup) {
        var skipped = Skipped()
        if let agent = file.group(Agent.customer.rawValue) {
            for setting in agent.settings {
                guard case .group(let interface) = setting.value.content else { continue }
                switch Self.evb(setting.name, interface) {
                case .port(let port): ports.append(port)
                case .skipped(let reason): skipped.append(setting.name, reason)
                case .none: break
                }
            }
        }
        notes = skipped.notes + Self.otherUses(file)
    }

    /// The agents of LLDP, by the names of their sections.
    private enum Agent: String, CaseIterable {
        case bridge = "lldp"
        case nonTPMR = "nearest_nontpmr_bridge"
        case customer = "nearest_customer_bridge"

        var address: String {
            switch self {
            case .bridge: "01-80-C2-00-00-0E"
            case .nonTPMR: "01-80-C2-00-00-03"
            case .customer: "01-80-C2-00-00-00"
            }
        }
    }

    private enum Finding {
        case port(Port)
        case skipped(Skipped.Reason)
        case none
    }

    /// Interfaces with settings of EVB that lldpad does not use.
    private struct Skipped {
        enum Reason: CaseIterable { case notSent, notListening, name }

        private var interfaces: [Reason: [String]] = [:]

        mutating func append(_ interface: String, _ reason: Reason) {
            interfaces[reason, default: []].append(interface)
        }

        var notes: [String] {
            Reason.allCases.compactMap { reason in
                interfaces[reason].map { "\(LldpadImport.list($0)): \(Self.words(reason))" }
            }
        }

        private static func words(_ reason: Reason) -> String {
            switch reason {
            case .notSent: "EVB is configured, but enableTx is not true, so that lldpad does not speak it; no port"
            case .notListening:
                "EVB is configured, but adminStatus is not 3 (rxtx), so that lldpad does not run it; no port"
            case .name: "no name that evbd takes for an interface; no port"
            }
        }
    }

    // MARK: An interface

    private static let ratified = "tlvid0080c20d"
    private static let draft = "tlvid001b3f00"

    private static func evb(_ name: String, _ interface: LibconfigGroup) -> Finding {
        let (ratified, draft) = (interface.group(ratified), interface.group(draft))
        guard ratified != nil || draft != nil else { return .none }
        guard InterfaceName.problem(withPort: name) == nil else { return .skipped(.name) }
        let isRatified = ratified.map(isSent) ?? false
        guard isRatified || draft.map(isSent) ?? false else { return .skipped(.notSent) }
        guard interface["adminStatus"]?.content == .integer(3) else { return .skipped(.notListening) }
        var port: Port
        if isRatified, let ratified {
            port = ratifiedPort(name, ratified)
            if draft.map(isSent) ?? false {
                port.remarks.append(
                    "The file has the draft's EVB TLV too, which lldpad refuses beside the ratified one.")
            }
        } else {
            port = draftPort(name, draft ?? LibconfigGroup(), vdp: interface.group("vdp"))
        }
        port.remarks += otherTLVs(interface)
        return .port(port)
    }

    private static func isSent(_ tlv: LibconfigGroup) -> Bool { boolean(tlv["enableTx"]) ?? false }

    private static func ratifiedPort(_ name: String, _ tlv: LibconfigGroup) -> Port {
        let isBridge = text(tlv["evbmode"])?.lowercased() == "bridge"
        var port = Port(
            interface: name,
            role: isBridge
                ? .bridge(reflects: boolean(tlv["evbrrcap"]) ?? false)
                : .station(asksForRelay: boolean(tlv["evbrrreq"]) ?? false))
        port.groupIDs = boolean(tlv["evbgpid"]) ?? false
        port.retries = number(tlv, "ecpretries", 0...7, &port.remarks)
        port.rte = number(tlv, "ecprte", 0...31, &port.remarks)
        port.rwd = number(tlv, "vdprwd", 0...31, &port.remarks)
        port.rka = number(tlv, "vdprka", 0...31, &port.remarks)
        if port.rte == nil {
            port.remarks.append(
                "ecprte is lldpad's default of 8; evbd's default is 14, the standard's. The larger of both sides is in force."
            )
        }
        port.remarks += advice(port.role)
        let known: Set = [
            "enableTx", "evbmode", "evbrrreq", "evbrrcap", "evbgpid", "ecpretries", "ecprte", "vdprwd", "vdprka",
        ]
        port.remarks += unknown(tlv, known)
        return port
    }

    private static func draftPort(_ name: String, _ tlv: LibconfigGroup, vdp: LibconfigGroup?) -> Port {
        let reflects = text(tlv["fmode"])?.lowercased() == "reflectiverelay"
        let isBridge = text(vdp?["role"])?.lowercased() == "bridge"
        var port = Port(
            interface: name, role: isBridge ? .bridge(reflects: reflects) : .station(asksForRelay: reflects),
            isDraft: true)
        let capabilities = (text(tlv["capabilities"]) ?? "none").lowercased().split(separator: ",")
        if !capabilities.contains("vdp") || !capabilities.contains("ecp") {
            port.remarks.append("capabilities lacks ecp or vdp, so that lldpad associates nothing here; evbd does.")
        } else if boolean(vdp?["enableTx"]) != true {
            port.remarks.append("vdp.enableTx is not true, so that lldpad associates nothing here; evbd does.")
        }
        port.remarks += advice(port.role)
        for key in ["rte", "vsis"] where tlv[key] != nil {
            port.remarks.append("\(key) of the draft's EVB TLV has no counterpart.")
        }
        port.remarks += unknown(tlv, ["enableTx", "fmode", "capabilities", "rte", "vsis"])
        return port
    }

    private static func advice(_ role: Port.Role) -> [String] {
        switch role {
        case .station(asksForRelay: true): []
        case .station(asksForRelay: false):
            ["lldpad does not ask for reflective relay here, so that the host relays between its machines (veb)."]
        case .bridge:
            [
                "A bridge port of evbd has to be in a Linux bridge. It grants every VSI, as lldpad does, unless vsi-types is given."
            ]
        }
    }

    private static func unknown(_ tlv: LibconfigGroup, _ known: Set<String>) -> [String] {
        let names = tlv.settings.map(\.name).filter { !known.contains($0) }
        return names.isEmpty ? [] : ["Not known, and not carried over: \(list(names))."]
    }

    /// What else lldpad sends by this agent on the interface, or sends differently.
    private static func otherTLVs(_ interface: LibconfigGroup) -> [String] {
        var remarks: [String] = []
        // The first octet is the subtype: 4, a MAC address, is lldpad's own choice, and evbd's.
        if let info = text(interface.group("tlvid00000001")?["info"]), !info.hasPrefix("04") {
            remarks.append("The chassis ID is not carried over; evbd's is the MAC address of the interface.")
        }
        let known: Set = [ratified, draft, "vdp", "adminStatus", "tlvid00000001", "tlvid00000002"]
        let others = interface.settings.filter { setting in
            guard !known.contains(setting.name) else { return false }
            guard case .group(let tlv) = setting.value.content, tlv.settings.count == 1 else { return true }
            return boolean(tlv["enableTx"]) != false
        }
        if !others.isEmpty {
            remarks.append("evbd does not send or set: \(list(others.map { Self.tlv($0.name) })).")
        }
        return remarks
    }

    private static func tlv(_ name: String) -> String {
        let words = [
            "tlvid00000003": "time to live", "tlvid00000004": "port description", "tlvid00000005": "system name",
            "tlvid00000006": "system description", "tlvid00000007": "system capabilities",
            "tlvid00000008": "management address",
        ]
        return words[name].map { "\(name) (\($0))" } ?? name
    }

    // MARK: What lldpad does besides

    private static func otherUses(_ file: LibconfigGroup) -> [String] {
        var notes: [String] = []
        for agent in Agent.allCases where agent != .customer {
            let interfaces = (file.group(agent.rawValue)?.settings ?? []).filter { setting in
                guard case .group(let interface) = setting.value.content,
                    case .integer(let status)? = interface["adminStatus"]?.content
                else { return false }
                return status != 0
            }
            guard !interfaces.isEmpty else { continue }
            notes.append(
                "\(list(interfaces.map(\.name))): LLDP to \(agent.address) (section \(agent.rawValue)); evbd does EVB alone, "
                    + "another daemon such as lldpd has to do it")
        }
        let dcbx = (file.group("dcbx")?.settings ?? []).filter {
            if case .group = $0.value.content { true } else { false }
        }
        if !dcbx.isEmpty {
            notes.append("\(list(dcbx.map(\.name))): DCBX; evbd does EVB alone, another daemon has to do it")
        }
        let known = Set(Agent.allCases.map(\.rawValue) + ["dcbx"])
        let others = file.settings.map(\.name).filter { !known.contains($0) }
        if !others.isEmpty { notes.append("sections that are not known: \(list(others))") }
        return notes
    }

    // MARK: Values

    private static func boolean(_ value: LibconfigValue?) -> Bool? {
        switch value?.content {
        case .boolean(let value): value
        case .integer(let value): value != 0
        case .string(let text): ["yes": true, "true": true, "no": false, "false": false][text.lowercased()]
        default: nil
        }
    }

    private static func text(_ value: LibconfigValue?) -> String? {
        guard case .string(let text)? = value?.content else { return nil }
        return text
    }

    private static func number(
        _ tlv: LibconfigGroup, _ key: String, _ range: ClosedRange<Int64>, _ remarks: inout [String]
    ) -> Int64? {
        guard let value = tlv[key] else { return nil }
        let number: Int64? =
            switch value.content {
            case .integer(let number): number
            case .string(let text): Int64(text)
            default: nil
            }
        guard let number, range.contains(number) else {
            remarks.append("\(key) is no number of \(range.lowerBound) to \(range.upperBound); left out.")
            return nil
        }
        return number
    }

    /// Names for a line of text: the first ones, and how many more.
    fileprivate static func list(_ names: [String]) -> String {
        let shown = names.prefix(8).map { printable($0, longest: 32) }.joined(separator: ", ")
        return names.count > 8 ? "\(shown) and \(names.count - 8) more" : shown
    }
}
