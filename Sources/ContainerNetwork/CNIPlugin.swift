package import EVBControl
package import EVBModel
package import JSON

/// What the plugin needs of evbd. Each failure is in words for the runtime.
package protocol VSIService {
    /// The station's ports; more than one where the network has to name its own.
    func ports() throws(CNIError) -> [PortStatus]
    func associate(_ request: VSIRequest) throws(CNIError)
    /// Ends a VSI; one that is not there is ended.
    func end(_ vsiID: String) throws(CNIError)
    /// A VSI as it stands; nil where there is none.
    func vsi(_ vsiID: String) throws(CNIError) -> VSIStatus?
    func vsiIDs() throws(CNIError) -> [String]
}

/// Runs another plugin with another network configuration, and gives what it has printed.
package typealias PluginRunner = (_ plugin: String, _ configuration: JSONValue) throws(CNIError) -> JSONValue?

/// A container's interface as a VSI (CNI specification 1.1.0).
///
/// Behind `macvlan` in a chain the VSI is associated before the container's first process runs. As the first of a chain the plugin asks
/// the switch before there is a link, and has the plugin `macvlan` make it, in mode vepa: no frame passes before the grant.
package struct CNIPlugin {
    package let invocation: CNIInvocation
    package let configuration: NetworkConfiguration
    let service: any VSIService
    let run: PluginRunner

    static let linkPlugin = "macvlan"

    package init(
        _ invocation: CNIInvocation, _ configuration: NetworkConfiguration, service: any VSIService,
        run: @escaping PluginRunner
    ) {
        (self.invocation, self.configuration, self.service, self.run) = (invocation, configuration, service, run)
    }

    private var id: AttachmentID { AttachmentID(network: configuration.name, invocation.attachment) }

    /// Does what is asked.
    ///
    /// - Returns: what is printed; nil for nothing.
    /// - Throws: ``CNIError``.
    package func perform() throws(CNIError) -> JSONValue? {
        switch invocation.command {
        case .add: try add()
        case .delete: try delete()
        case .check: try check()
        case .status: try status()
        case .collectGarbage: try collectGarbage()
        case .version: Self.versions(configuration.version)
        }
    }

    package static func versions(_ version: String) -> JSONValue {
        .object([
            .init("cniVersion", .string(version)),
            .init("supportedVersions", .array(NetworkConfiguration.versions.map { .string($0) })),
        ])
    }

    // MARK: Calls

    private func add() throws(CNIError) -> JSONValue? {
        let (type, port, attachment) = (try type, try port, invocation.attachment)
        let address = try addressToBe
        let request = VSIRequest(
            vsiID: id.text, port: port, managerID: type.manager, typeID: type.id, typeVersion: type.version,
            filters: [VSIFilter(mac: address, vlan: configuration.vlan)],
            label: "\(attachment.container.prefix(12)) \(attachment.interface) (\(configuration.name.prefix(32)))",
            waitMilliseconds: configuration.wait * 1000)
        do {
            try service.associate(request)
            guard configuration.makesLink else { return configuration.previous }
            return try run(Self.linkPlugin, linkConfiguration(port: port, address: address))
        } catch {
            // Nothing is left of what failed; the runtime may not call again.
            try? service.end(id.text)
            throw error
        }
    }

    private func delete() throws(CNIError) -> JSONValue? {
        var failure: CNIError?
        if configuration.makesLink {
            do { _ = try run(Self.linkPlugin, linkConfiguration(port: formerPort, address: nil)) } catch {
                failure = error
            }
        }
        try service.end(id.text)
        if let failure { throw failure }
        return nil
    }

    private func check() throws(CNIError) -> JSONValue? {
        guard let vsi = try service.vsi(id.text) else {
            throw CNIError(
                .notAssociated, "evbd has no VSI \(id.text)",
                details: "remove the container's network, and add it again")
        }
        guard vsi.state == .associated else {
            throw CNIError(
                .notAssociated,
                "VSI \(id.text) is \(vsi.state.rawValue)\(vsi.reason.map { " (\($0.rawValue))" } ?? "")",
                details: "evbctl vsi why \(id.text)")
        }
        if let previous = configuration.previous {
            let address = try Self.address(of: invocation.attachment.interface, in: previous)
            guard vsi.filters.contains(where: { $0.mac?.lowercased() == address }) else {
                throw CNIError(.notAssociated, "the filter of VSI \(id.text) has not the address \(address)")
            }
        }
        if configuration.makesLink { _ = try run(Self.linkPlugin, linkConfiguration(port: vsi.port, address: nil)) }
        return nil
    }

    private func status() throws(CNIError) -> JSONValue? {
        let name: String
        do { name = try port } catch { throw CNIError(.unavailable, error.message, details: error.details) }
        guard let port = try service.ports().first(where: { $0.interface == name }) else { return nil }
        guard port.linkUp else { throw CNIError(.unavailable, "the link of \(name) is down") }
        guard port.peer != nil else {
            throw CNIError(.limited, "no EVB bridge is heard on \(name)", details: "evbctl status tells why")
        }
        return nil
    }

    /// Ends the VSIs of this network whose containers are gone.
    private func collectGarbage() throws(CNIError) -> JSONValue? {
        guard let valid = configuration.valid else {
            throw CNIError(.invalidConfiguration, "GC needs cni.dev/valid-attachments")
        }
        let name = configuration.name
        let kept = Set(valid.map { AttachmentID(network: name, $0) })
        var failure: CNIError?
        for text in try service.vsiIDs() {
            guard let found = AttachmentID(text), found.network == id.network, !kept.contains(found) else { continue }
            do { try service.end(text) } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
        return nil
    }

    // MARK: What is asked for

    /// The type by the container's own words, else the network's.
    private var type: NetworkConfiguration.VSIType {
        get throws(CNIError) {
            func own(_ argument: String, _ annotation: String, in range: ClosedRange<Int>) throws(CNIError) -> Int? {
                guard let text = invocation.arguments[argument] ?? configuration.annotations["evb/" + annotation] else {
                    return nil
                }
                guard let number = Int(text), range.contains(number) else {
                    throw CNIError(
                        .invalidEnvironment,
                        "\(argument), or the annotation evb/\(annotation), is no number from \(range.lowerBound) to \(range.upperBound)"
                    )
                }
                return number
            }
            let id = try own("EVB_TYPE", "type", in: 0...0xFF_FFFF)
            let version = try own("EVB_TYPE_VERSION", "type-version", in: 0...255)
            let manager = invocation.arguments["EVB_MANAGER"] ?? configuration.annotations["evb/manager"]
            guard let base = id ?? configuration.type?.id else {
                throw CNIError(
                    .invalidConfiguration,
                    "the network \(configuration.name) has no vsiType, and neither has the container",
                    details:
                        "set vsiType in the network's configuration, the annotation evb/type, or EVB_TYPE in CNI_ARGS")
            }
            return .init(
                id: base, version: version ?? (id == nil ? configuration.type?.version : nil) ?? 0,
                manager: manager ?? configuration.type?.manager)
        }
    }

    /// The port that is named, or the only one that there is.
    private var port: String {
        get throws(CNIError) {
            let ports = try service.ports()
            let names = ports.map(\.interface)
            if let wanted = configuration.port {
                guard names.contains(wanted) else {
                    throw CNIError(
                        .invalidConfiguration, "\(wanted) is no station's port of evbd",
                        details: "evbd has \(names.isEmpty ? "none" : names.joined(separator: ", "))")
                }
                return wanted
            }
            guard let only = names.first, names.count == 1 else {
                throw CNIError(
                    .invalidConfiguration, "the network \(configuration.name) has to name its port",
                    details: names.isEmpty ? "evbd has no station's port" : "evbd has \(names.joined(separator: ", "))")
            }
            return only
        }
    }

    /// The port that the interface was on, as far as evbd or the network can tell.
    private var formerPort: String? {
        let vsi = try? service.vsi(id.text)
        return vsi?.port ?? configuration.port ?? (try? port)
    }

    private var addressToBe: String {
        get throws(CNIError) {
            switch (configuration.makesLink, configuration.previous) {
            case (true, nil):
                return (configuration.address ?? invocation.arguments["MAC"] ?? id.address).lowercased()
            case (false, let previous?): return try Self.address(of: invocation.attachment.interface, in: previous)
            case (true, .some):
                throw CNIError(
                    .invalidConfiguration, "evb has ipam, so that it makes a link, and a plugin before it has made one",
                    details: "remove ipam from evb, or the plugin before it")
            case (false, nil):
                throw CNIError(
                    .invalidConfiguration, "there is no link yet, and evb is to make none",
                    details: "put evb behind macvlan, or give it ipam ({} for no addresses), and it has the link made")
            }
        }
    }

    private func linkConfiguration(port: String?, address: String?) -> JSONValue {
        var members: [JSONValue.Member] = [
            .init("cniVersion", .string(configuration.version)), .init("name", .string(configuration.name)),
            .init("type", .string(Self.linkPlugin)), .init("mode", .string("vepa")),
        ]
        if let port { members.append(.init("master", .string(port))) }
        for key in ["mtu", "ipam", "dns", "prevResult"] {
            if let value = configuration.whole[key] { members.append(.init(key, value)) }
        }
        if let address { members.append(.init("runtimeConfig", .object([.init("mac", .string(address))]))) }
        return .object(members)
    }

    /// The address that the plugins before this one gave the container's interface.
    static func address(of interface: String, in result: JSONValue) throws(CNIError) -> String {
        if case .array(let interfaces)? = result["interfaces"] {
            for each in interfaces where each["name"] == .string(interface) {
                // One without a sandbox is the host's.
                guard case .string(let sandbox)? = each["sandbox"], !sandbox.isEmpty,
                    case .string(let mac)? = each["mac"]
                else { continue }
                return mac.lowercased()
            }
        }
        throw CNIError(
            .invalidConfiguration, "the plugins before this one say no address of \(interface)",
            details: "put evb behind macvlan in the list of plugins")
    }
}
