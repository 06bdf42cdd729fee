internal import Dataplane
internal import EVBLog
internal import EVBModel
internal import EVBSettings
internal import Logging

extension Daemon {
    /// The ports under the names that the kernel shows. An interface that the file has twice, by two of its names, is the first's.
    static func resolved(_ written: DaemonSettings, by table: LinkTable, _ logger: Logger) -> DaemonSettings {
        var resolved = written
        var seen: Set<String> = []
        resolved.ports = []
        resolved.uplinks = []
        for var port in written.ports {
            if let channel = port.channel {
                // It is on the interface of the port before it, if that is one.
                guard let uplink = resolved.uplinks.first(where: { $0.channels[channel.scid]?.name == port.interface }),
                    seen.insert(port.interface).inserted
                else { continue }
                port.channel?.uplink = uplink.interface
                resolved.ports.append(port)
                continue
            }
            let name = table.name(of: port.interface)
            guard seen.insert(name).inserted else {
                logger.alert(.portDown).error(
                    "another port of the configuration is the same interface; this one is left out",
                    metadata: ["port": "\(port.interface)", "interface": "\(name)"])
                continue
            }
            guard name.utf8.count <= InterfaceName.longest else {
                logger.notice(
                    "there is no interface of this alternative name now; the port begins when there is",
                    metadata: ["port": "\(name)"])
                continue
            }
            if var uplink = written.uplinks.first(where: { $0.interface == port.interface }) {
                uplink.interface = name
                resolved.uplinks.append(uplink)
            }
            port.interface = name
            resolved.ports.append(port)
        }
        return resolved
    }
}
