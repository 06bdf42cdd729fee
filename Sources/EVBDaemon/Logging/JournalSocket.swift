internal import Glibc
internal import LinuxSystem
internal import Logging

/// journald's own socket, which takes fields beside the message.
struct JournalSocket: Sendable {
    private static let path = "/run/systemd/journal/socket"
    private let descriptor: Int32

    /// Connects; nil where there is no journal. The descriptor lives as long as the process.
    init?() {
        let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard let number = try? systemCall("socket", { socket(AF_UNIX, type, 0) }) else { return nil }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Self.path.utf8) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else {
            close(number)
            return nil
        }
        descriptor = number
    }

    /// systemd sets JOURNAL_STREAM to device and inode of the journal's stream. A process further down, in a terminal or
    /// with its output in a file, has the variable too, so it is compared (systemd.exec(5)).
    static func isJournal(_ descriptor: Int32) -> Bool {
        var status = stat()
        guard let stream = getenv("JOURNAL_STREAM"), fstat(descriptor, &status) == 0 else { return false }
        return String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
    }

    /// Sends one entry; false if the journal did not take it.
    func send(level: Logger.Level, message: String, fields: [(key: String, value: String)]) -> Bool {
        var entry: [UInt8] = []
        Self.append("MESSAGE", message, to: &entry)
        Self.append("PRIORITY", "\(level.syslogPriority)", to: &entry)
        Self.append("SYSLOG_IDENTIFIER", "evbd", to: &entry)
        for field in fields { Self.append(Self.fieldName(field.key), field.value, to: &entry) }
        return Glibc.send(descriptor, entry, entry.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT)) == entry.count
    }

    /// `vsi` becomes EVBD_VSI: a journal's field names are capitals, digits and underscores.
    static func fieldName(_ key: String) -> String {
        "EVBD_" + key.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? String($0) : "_" }.joined()
    }

    /// A field on a line of its own; a value with newlines goes with its length in front.
    static func append(_ name: String, _ value: String, to entry: inout [UInt8]) {
        entry += Array(name.utf8)
        let octets = Array(value.utf8)
        if octets.contains(0x0A) {
            entry.append(0x0A)
            entry += (0..<8).map { UInt8(truncatingIfNeeded: octets.count >> (8 * $0)) }
        } else {
            entry.append(UInt8(ascii: "="))
        }
        entry += octets
        entry.append(0x0A)
    }
}

extension Logger.Level {
    /// The level of syslog(3).
    var syslogPriority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
