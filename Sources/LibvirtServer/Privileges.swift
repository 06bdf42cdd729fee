internal import LinuxSystem
internal import Netlink

/// What the kernel says that a sender may do.
enum Privileges {
    /// CAP_NET_ADMIN's bit.
    private static let netAdmin: UInt64 = 1 << 12

    /// Whether a netlink sender may configure the network: it is root or has CAP_NET_ADMIN.
    ///
    /// The kernel lets nobody else send to a port of NETLINK_ROUTE in the first place; this is the second lock. What the
    /// message says of itself is not asked.
    static func mayConfigureNetwork(_ credentials: NetlinkEndpoint.Credentials) -> Bool {
        if credentials.userID == 0 { return true }
        guard let octets = try? Files.read("/proc/\(credentials.processID)/status", limit: 65_536) else { return false }
        return effectiveCapabilities(inStatus: String(decoding: octets, as: UTF8.self)) & netAdmin != 0
    }

    /// The CapEff line of a /proc/PID/status; 0 if there is none.
    static func effectiveCapabilities(inStatus text: String) -> UInt64 {
        let line = text.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        let digits = line?.split(whereSeparator: { $0 == "\t" || $0 == " " }).last
        return digits.flatMap { UInt64($0, radix: 16) } ?? 0
    }
}
