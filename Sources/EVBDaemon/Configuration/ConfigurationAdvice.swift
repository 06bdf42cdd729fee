package import EVBSettings
internal import Glibc
internal import LinuxSystem
internal import TerminalText

/// What is well formed in a configuration and may still be a mistake on this host.
package enum ConfigurationAdvice {
    /// Looks at the host.
    ///
    /// - Parameters:
    ///   - configuration: what a file says.
    ///   - isThere: whether the host has an interface.
    /// - Returns: each warning as a sentence without a stop, with what to do.
    package static func warnings(_ configuration: DaemonSettings, isThere: (String) -> Bool) -> [String] {
        var warnings: [String] = []
        if configuration.ports.isEmpty {
            warnings.append("ports is empty, so evbd speaks on no interface; add an entry per interface")
        }
        for port in configuration.ports where !isThere(port.interface) {
            warnings.append(
                "there is no interface \(printable(port.interface)) now; evbd waits for it, or correct ports")
        }
        if !configuration.openVSwitch.profiles.isEmpty || !configuration.taps.isEmpty {
            let relays = configuration.ports.filter { $0.role == .station }.map(\.edgeRelay)
            if !relays.contains(.veb) {
                warnings.append(
                    "open-vswitch.profiles and taps are for taps in a bridge of the host, and no port has edge-relay: veb; set it "
                        + "at the port that is in that bridge")
            }
        }
        let groups = [
            ("control.group", configuration.control.group),
            ("control.read-only.group", configuration.control.readOnly?.group),
        ]
        for (key, group) in groups {
            guard let group, let problem = problem(ofGroup: group) else { continue }
            warnings.append("\(key): \(problem)")
        }
        return warnings
    }

    /// Whether the host has an interface of this name, in the network namespace of this process.
    package static func hasInterface(_ name: String) -> Bool { if_nametoindex(name) != 0 }

    /// Why the control socket cannot be given to a group by a process of this user.
    private static func problem(ofGroup name: String) -> String? {
        var entry = Glibc.group()
        var found: UnsafeMutablePointer<Glibc.group>?
        var buffer = [CChar](repeating: 0, count: 1 << 16)
        guard getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0 else { return nil }
        guard found != nil else {
            return "there is no group \(printable(name)); create it (groupadd), or name another"
        }
        guard Processes.ownUser != 0, getegid() != entry.gr_gid else { return nil }
        var groups = [gid_t](repeating: 0, count: 65_536)
        let count = Int(getgroups(Int32(groups.count), &groups))
        guard count >= 0, !groups.prefix(count).contains(entry.gr_gid) else { return nil }
        return """
            this user is no member of \(printable(name)), so evbd cannot give it the socket; add evbd's user to it (usermod \
            -aG), or name another
            """
    }
}
