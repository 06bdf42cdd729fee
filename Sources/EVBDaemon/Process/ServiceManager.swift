internal import Glibc
internal import LinuxSystem

/// Tells systemd how evbd does (sd_notify(3)). Without systemd nothing happens.
struct ServiceManager {
    private let path: String?
    /// How often systemd wants to hear that evbd lives, in nanoseconds; nil if it does not ask.
    let watchdogPeriod: UInt64?

    /// Reads NOTIFY_SOCKET and WATCHDOG_USEC.
    init() {
        path = getenv("NOTIFY_SOCKET").map { String(cString: $0) }
        let isMeant = getenv("WATCHDOG_PID").map { Int32(String(cString: $0)) == Processes.ownID } ?? true
        let microseconds = getenv("WATCHDOG_USEC").flatMap { UInt64(String(cString: $0)) }
        watchdogPeriod = isMeant ? microseconds.map { $0 > UInt64.max / 1000 ? .max : $0 * 1000 } : nil
    }

    /// Sends a state such as `READY=1`. What is lost, or not taken at once, is not sent again; systemd's own timeouts cover that.
    func notify(_ state: String) {
        guard let path, !path.isEmpty else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var octets = Array(path.utf8)
        guard octets.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        // An @ in front stands for the NUL of an abstract address.
        if octets.first == UInt8(ascii: "@") { octets[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: octets) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + octets.count)
        let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard let number = try? systemCall("socket", { socket(AF_UNIX, type, 0) }) else { return }
        let descriptor = FileDescriptor(owning: number)
        let message = Array(state.utf8)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(descriptor.rawValue, message, message.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT), $0, length)
            }
        }
    }
}
