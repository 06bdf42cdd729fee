// The plugin `evb` of the Container Network Interface: a container runtime runs it, and reads JSON from it.

internal import ContainerNetwork
internal import EVBControl
internal import EVBModel
internal import Glibc
internal import JSON
internal import LinuxSystem

/// Octets of a network configuration, at most: it has the results of the plugins before.
let configurationMax = 1 << 20
/// How long a plugin that is run may take; one of DHCP may wait for a server.
let pluginSeconds = 60

func environmentTexts() -> [String: String] {
    var texts: [String: String] = [:]
    for name in ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH"] {
        if let value = getenv(name) { texts[name] = String(cString: value) }
    }
    return texts
}

func standardInput() throws(CNIError) -> [UInt8] {
    var (octets, buffer): ([UInt8], [UInt8]) = ([], Array(repeating: 0, count: 16 << 10))
    while true {
        let count = read(0, &buffer, buffer.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw CNIError(.inputOutput, "standard input: \(String(cString: strerror(errno)))") }
        if count == 0 { return octets }
        octets += buffer[..<count]
        guard octets.count <= configurationMax else {
            throw CNIError(.invalidConfiguration, "the network configuration has more than \(configurationMax) octets")
        }
    }
}

/// Runs another plugin with this one's environment.
func runPlugin(_ name: String, _ configuration: JSONValue, path: [String]) throws(CNIError) -> JSONValue? {
    guard
        let program = path.map({ (folder: String) -> String in "\(folder)/\(name)" })
            .first(where: { access($0, X_OK) == 0 })
    else {
        throw CNIError(
            .inputOutput, "the plugin \(name) is not in CNI_PATH (\(path.joined(separator: ":")))",
            details: "install containernetworking-plugins")
    }
    let ending: ChildProcess.Ending
    do throws(ChildFailure) {
        ending = try ChildProcess.run([program], input: Array(configuration.compact.utf8), seconds: pluginSeconds)
    } catch { throw CNIError(.inputOutput, "the plugin \(name) \(error.words)") }
    let said = try? JSONValue(parsing: ending.output)
    if ending.status == 0 { return ending.output.isEmpty ? nil : said }
    if let said, let error = CNIError(of: said, from: name) { throw error }
    let line = String(decoding: ending.errors, as: UTF8.self).split(separator: "\n").last.map(String.init)
    throw CNIError(.inputOutput, "the plugin \(name) failed: \(line ?? "status \(ending.status)")")
}

func perform(_ invocation: CNIInvocation, _ configuration: NetworkConfiguration) throws(CNIError) -> JSONValue? {
    guard ProcessNetwork.isOfMachine || invocation.command == .delete else {
        throw CNIError(
            .inputOutput, "a rootless container cannot be a VSI: its network is not the machine's",
            details: "run the container as root")
    }
    let service = EVBDService(socket: configuration.socket ?? ControlSocketPath.standard)
    return try CNIPlugin(invocation, configuration, service: service) { name, value throws(CNIError) in
        try runPlugin(name, value, path: invocation.path)
    }.perform()
}

var version = NetworkConfiguration.versions.last ?? ""
do throws(CNIError) {
    let invocation = try CNIInvocation(environmentTexts())
    let octets = try standardInput()
    if invocation.command == .version {
        print(CNIPlugin.versions(version).compact)
    } else {
        let configuration = try NetworkConfiguration(octets)
        version = configuration.version
        if let result = try perform(invocation, configuration) { print(result.compact) }
    }
} catch {
    print(error.json(version: version).compact)
    exit(1)
}
