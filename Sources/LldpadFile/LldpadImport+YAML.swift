// An import as the text of evbd.yaml.

internal import TerminalText

extension LldpadImport {
    /// The configuration of evbd, with what is not carried over as comments.
    ///
    /// - Parameter source: the name of lldpad's file.
    /// - Returns: a text that `evbd --check-config` accepts.
    package func yaml(source: String) -> String {
        var lines = ["# Made by evbctl import of \(printable(source)). Everything that is not here has evbd's default."]
        if !notes.isEmpty {
            lines.append("#")
            lines.append("# Not carried over:")
            lines += notes.map { "# - \($0)" }
        }
        lines.append("")
        lines.append(ports.isEmpty ? "ports: []" : "ports:")
        for port in ports {
            lines.append("  - interface: \(Self.scalar(port.interface))")
            lines += port.remarks.map { "    # \($0)" }
            lines += Self.settings(port).map { "    \($0)" }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func settings(_ port: Port) -> [String] {
        var lines: [String] = []
        switch port.role {
        case .station(let asksForRelay):
            lines.append("edge-relay: \(asksForRelay ? "vepa" : "veb")")
        case .bridge(let reflects):
            lines.append("role: bridge")
            if port.isDraft { lines.append("dialect: draft") }
            lines.append("reflective-relay: \(reflects)")
        }
        if let groupIDs = port.groupIDs { lines.append("group-ids: \(groupIDs)") }
        lines += mapping("ecp", [("retries", port.retries), ("rte", port.rte)])
        lines += mapping("vdp", [("rwd", port.rwd), ("rka", port.rka)])
        return lines
    }

    private static func mapping(_ name: String, _ values: [(String, Int64?)]) -> [String] {
        let given = values.compactMap { key, value in value.map { "\(key): \($0)" } }
        return given.isEmpty ? [] : ["\(name): { \(given.joined(separator: ", ")) }"]
    }

    /// A name, in quotes where YAML would read something else. libconfig's names have letters, digits, `*`, `-` and `_` alone.
    private static func scalar(_ name: String) -> String {
        let words: Set = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        let needsQuotes = name.contains("*") || words.contains(name.lowercased())
        return needsQuotes ? "\"\(name)\"" : name
    }
}
