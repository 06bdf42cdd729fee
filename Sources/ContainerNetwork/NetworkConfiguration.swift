package import JSON

/// The configuration of a network, as the runtime gives it on standard input.
package struct NetworkConfiguration: Equatable, Sendable {
    /// The versions of the specification whose configurations and results are understood, oldest first.
    package static let versions = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]

    /// The type of VSI that the switch is to apply.
    package struct VSIType: Equatable, Sendable {
        package var id: Int
        package var version = 0
        package var manager: String?
    }

    package let version: String
    package let name: String
    /// The whole, for plugins that this one runs.
    package let whole: JSONValue
    /// The port of evbd; nil for the only station's port that there is.
    package let port: String?
    /// What the network's containers are; nil where each has to say it.
    package let type: VSIType?
    /// The VLAN of the filter, 0 to 4094.
    package let vlan: Int
    /// How long the switch may take, in seconds.
    package let wait: Int
    /// evbd's control socket; nil for the standard one.
    package let socket: String?
    /// What the plugins before this one in the chain have made; nil where this is the first.
    package let previous: JSONValue?
    /// Whether the plugin has the link made: where its configuration has `ipam`, which may be empty.
    package let makesLink: Bool
    /// The address that the interface is to have, by the runtime or the configuration.
    package let address: String?
    /// Annotations of the pod, where the runtime hands them on.
    package let annotations: [String: String]
    /// GC: the interfaces that there are.
    package let valid: [Attachment]?

    /// The key by which runtimes hand the annotations of a pod on.
    package static let annotationsKey = "io.kubernetes.cri.pod-annotations"
    static let waits = 1...300

    /// - Throws: ``CNIError`` for what cannot be read or has no meaning.
    package init(_ octets: [UInt8]) throws(CNIError) {
        let whole: JSONValue
        do { whole = try JSONValue(parsing: octets) } catch {
            throw CNIError(.undecodable, "the network configuration on standard input cannot be read: \(error)")
        }
        guard case .object = whole else { throw CNIError(.undecodable, "the network configuration is no object") }
        let reader = ConfigurationReader(whole)
        version = try reader.text("cniVersion") ?? "0.2.0"
        guard Self.versions.contains(version) else {
            throw CNIError(
                .incompatibleVersion, "version \(version) of the network configuration is not known",
                details: "cniVersion may be \(Self.versions.joined(separator: ", "))")
        }
        guard let name = try reader.text("name"), !name.isEmpty else {
            throw CNIError(.invalidConfiguration, "the network has no name")
        }
        (self.name, self.whole) = (name, whole)
        port = try reader.text("port")
        vlan = try reader.integer("vlan", in: 0...4094) ?? 0
        wait = try reader.integer("wait", in: Self.waits) ?? 30
        socket = try reader.text("socket")
        type = try Self.type(reader.integer("vsiType", in: 0...0xFF_FFFF), reader)
        let runtime = whole["runtimeConfig"]
        let addresses = [
            try reader.text("mac", in: runtime), try reader.text("mac", in: whole["args"]?["cni"]),
            try reader.text("mac"),
        ]
        address = addresses.compactMap(\.self).first
        var annotations: [String: String] = [:]
        if case .object(let members)? = runtime?[Self.annotationsKey] {
            for case let member in members {
                if case .string(let text) = member.value { annotations[member.key] = text }
            }
        }
        self.annotations = annotations
        if let previous = whole["prevResult"], previous != .null { self.previous = previous } else { previous = nil }
        if case .object? = whole["ipam"] { makesLink = true } else { makesLink = false }
        if let list = whole["cni.dev/valid-attachments"] { valid = try Self.attachments(list) } else { valid = nil }
    }

    private static func type(_ id: Int?, _ reader: ConfigurationReader) throws(CNIError) -> VSIType? {
        let version = try reader.integer("vsiTypeVersion", in: 0...255)
        let number = try reader.integer("manager", in: 0...255)
        let manager = try reader.text("manager") ?? number.map(String.init)
        guard let id else { return nil }
        return VSIType(id: id, version: version ?? 0, manager: manager)
    }

    private static func attachments(_ value: JSONValue) throws(CNIError) -> [Attachment] {
        guard case .array(let items) = value else {
            throw CNIError(.invalidConfiguration, "cni.dev/valid-attachments is no list")
        }
        var found: [Attachment] = []
        for item in items {
            guard case .string(let container)? = item["containerID"], case .string(let interface)? = item["ifname"]
            else {
                throw CNIError(
                    .invalidConfiguration, "cni.dev/valid-attachments has an entry without containerID or ifname")
            }
            found.append(Attachment(container: container, interface: interface))
        }
        return found
    }
}

/// Reads members of the configuration, and says which has another shape.
struct ConfigurationReader {
    private let whole: JSONValue

    init(_ whole: JSONValue) { self.whole = whole }

    func text(_ key: String, in object: JSONValue?) throws(CNIError) -> String? {
        switch object?[key] {
        case nil, .null?: return nil
        case .string(let text)? where text.utf8.count <= 256: return text
        case .number? where key == "manager": return nil
        case .some: throw CNIError(.invalidConfiguration, "\(key) of the network is no text of at most 256 octets")
        }
    }

    func text(_ key: String) throws(CNIError) -> String? { try text(key, in: whole) }

    func integer(_ key: String, in range: ClosedRange<Int>) throws(CNIError) -> Int? {
        switch whole[key] {
        case nil, .null?: return nil
        case .string? where key == "manager": return nil
        case .number(let literal)?:
            if let number = Int(literal), range.contains(number) { return number }
        case .some: break
        }
        throw CNIError(
            .invalidConfiguration, "\(key) of the network is no number from \(range.lowerBound) to \(range.upperBound)")
    }
}
