internal import EVBControl
internal import EVBModel
internal import JSON

/// A hook of the Open Container Initiative's runtime specification (config.md, "POSIX-platform Hooks"): at `createRuntime` the
/// container's interface is associated, before its first process runs; at `poststop` the VSI ends.
///
/// Annotations of the container say what it is: `evb/type`, and where they are wanted `evb/type-version`, `evb/manager`,
/// `evb/vlan`, `evb/port`, `evb/interface` and `evb/wait`.
package struct OCIHook {
    package enum Failure: Error, Equatable {
        /// The state on standard input is not the specification's.
        case state(String)
        case annotation(String, String)
        /// The container has no such interface.
        case interface(String, container: String)
        case rootless
        case evbd(CNIError)

        /// What failed, and why.
        package var message: String {
            switch self {
            case .state(let problem): "the container's state on standard input cannot be read: \(problem)"
            case .annotation(let name, let rule): "the annotation evb/\(name) of the container \(rule)"
            case .interface(let name, let container):
                "container \(container.prefix(12)) has no Ethernet interface \(name)"
            case .rootless: "a rootless container cannot be a VSI: its network is not the machine's"
            case .evbd(let error): error.message
            }
        }

        /// What to do about it.
        package var remedy: String {
            switch self {
            case .state: "a container runtime runs this command, as a hook"
            case .annotation: "see evbctl hook oci --help"
            case .interface: "name the interface with the annotation evb/interface; it has to be there at createRuntime"
            case .rootless: "run the container as root, on a macvlan network of the port"
            case .evbd(let error): error.details
            }
        }
    }

    /// The container's identity, which the runtime has made.
    let container: String
    /// The first process of the container; nil when it has ended.
    let process: Int32?
    let annotations: [String: String]

    /// The network's name in VSIIDs of containers that hooks associate.
    static let network = "oci"
    static let waitSeconds = 30

    /// Reads the state that a runtime gives a hook on standard input.
    package init(state octets: [UInt8]) throws(Failure) {
        let state: JSONValue
        do { state = try JSONValue(parsing: octets) } catch { throw .state("\(error)") }
        guard case .string(let container)? = state["id"], !container.isEmpty, container.utf8.count <= 1024 else {
            throw .state("it has no id")
        }
        guard case .string(let status)? = state["status"] else { throw .state("it has no status") }
        self.container = container
        if status != "stopped", case .number(let literal)? = state["pid"], let pid = Int32(literal), pid > 0 {
            process = pid
        } else {
            process = nil
        }
        var annotations: [String: String] = [:]
        if case .object(let members)? = state["annotations"] {
            for case let member in members where member.key.hasPrefix("evb/") {
                if case .string(let text) = member.value { annotations[String(member.key.dropFirst(4))] = text }
            }
        }
        self.annotations = annotations
    }

    /// Does what the state asks for.
    ///
    /// - Parameters:
    ///   - service: evbd.
    ///   - isRootless: whether the hook runs in a user namespace.
    ///   - address: gives the address of an interface of a process, as text; nil where there is none.
    /// - Throws: ``Failure``; the container must not start then.
    package func perform(
        _ service: any VSIService, isRootless: Bool,
        address: (_ process: Int32, _ interface: String) throws -> String?
    ) throws(Failure) {
        guard let type = try number("type", in: 0...0xFF_FFFF) else { return }
        guard !isRootless else { throw .rootless }
        let interface = annotations["interface"] ?? "eth0"
        let id = AttachmentID(network: Self.network, Attachment(container: container, interface: interface))
        do throws(CNIError) {
            guard let process else { return try service.end(id.text) }
            guard let mac = try? address(process, interface) else {
                throw CNIError(.unknownContainer, "")
            }
            try associate(id, mac, type, interface, service)
        } catch {
            if error.code == CNIError.Code.unknownContainer.rawValue {
                throw .interface(interface, container: container)
            }
            throw .evbd(error)
        }
    }

    private func associate(
        _ id: AttachmentID, _ mac: String, _ type: Int, _ interface: String, _ service: any VSIService
    ) throws(CNIError) {
        let request: VSIRequest
        do {
            request = VSIRequest(
                vsiID: id.text, port: try port(of: service), managerID: annotations["manager"], typeID: type,
                typeVersion: try number("type-version", in: 0...255) ?? 0,
                filters: [VSIFilter(mac: mac, vlan: try number("vlan", in: 0...4094) ?? 0)],
                label: "\(container.prefix(12)) \(interface.prefix(15))",
                waitMilliseconds: (try number("wait", in: NetworkConfiguration.waits) ?? Self.waitSeconds) * 1000)
        } catch let error as Failure {
            throw CNIError(.invalidConfiguration, error.message, details: error.remedy)
        } catch {
            throw error as? CNIError ?? CNIError(.inputOutput, "\(error)")
        }
        do { try service.associate(request) } catch {
            // The container does not start: the runtime may not call again.
            try? service.end(id.text)
            throw error
        }
    }

    private func port(of service: any VSIService) throws(CNIError) -> String {
        let names = try service.ports().map(\.interface)
        if let wanted = annotations["port"] {
            guard names.contains(wanted) else {
                throw CNIError(
                    .invalidConfiguration, "\(wanted) is no station's port of evbd", details: "see evbctl port list")
            }
            return wanted
        }
        guard let only = names.first, names.count == 1 else {
            throw CNIError(
                .invalidConfiguration,
                "evbd has \(names.isEmpty ? "no station's port" : "the ports \(names.joined(separator: ", "))")",
                details: "name one with the annotation evb/port")
        }
        return only
    }

    private func number(_ name: String, in range: ClosedRange<Int>) throws(Failure) -> Int? {
        guard let text = annotations[name] else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw .annotation(name, "is no number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}
