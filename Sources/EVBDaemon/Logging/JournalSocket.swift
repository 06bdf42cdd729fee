internal import CLinux
internal import Glibc
internal import LinuxSystem

/// journald's own socket, which takes fields beside the message. A datagram is an entry.
struct JournalSocket: Sendable {
    private static let path = "/run/systemd/journal/socket"
    private let descriptor: Int32
    private let path: String

    /// Connects; nil where there is no journal. The descriptor lives as long as the process.
    init?(path: String = Self.path) {
        let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard let number = try? systemCall("socket", { socket(AF_UNIX, type, 0) }) else { return nil }
        descriptor = number
        self.path = path
        guard connect() else {
            close(number)
            return nil
        }
    }

    private func connect() -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let octets = Array(path.utf8)
        guard octets.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: octets) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    /// systemd sets JOURNAL_STREAM to device and inode of the journal's stream. A process further down, in a terminal or
    /// with its output in a file, has the variable too, so it is compared (systemd.exec(5)).
    static func isJournal(_ descriptor: Int32) -> Bool {
        var status = stat()
        guard let stream = getenv("JOURNAL_STREAM"), fstat(descriptor, &status) == 0 else { return false }
        return String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
    }

    /// Sends one entry without waiting.
    func write(_ entry: ArraySlice<UInt8>) -> LogDescriptor.Outcome {
        entry.withUnsafeBytes { octets in
            do throws(SystemError) {
                return try send(octets)
            } catch {
                // A journald that was started again by hand has another socket.
                guard [ECONNREFUSED, ENOTCONN, ECONNRESET].contains(error.code), connect() else { return .failed }
                return (try? send(octets)) ?? .failed
            }
        }
    }

    private func send(_ octets: UnsafeRawBufferPointer) throws(SystemError) -> LogDescriptor.Outcome {
        let flags = Int32(MSG_NOSIGNAL | MSG_DONTWAIT)
        let sent: Int?
        do throws(SystemError) {
            sent = try systemCallUnlessBlocked("send") {
                Glibc.send(descriptor, octets.baseAddress, octets.count, flags)
            }
        } catch {
            guard error.code == EMSGSIZE || error.code == ENOBUFS else { throw error }
            // Too long for a datagram: journald takes it as a file in memory.
            sent = try systemCallUnlessBlocked("sendmsg") {
                Int(clinux_send_as_memory(descriptor, octets.baseAddress, octets.count, flags))
            }
        }
        return sent == nil ? .full : .taken(octets.count)
    }

    /// Waits until the journal has room, for as long as that takes.
    func waitUntilWritable() {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&entry, 1, -1)
    }
}
