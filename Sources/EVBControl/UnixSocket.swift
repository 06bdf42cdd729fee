// Stream sockets of the Unix domain: the only system calls of the control protocol, for both of its ends.

internal import CLinux
internal import Glibc
package import LinuxSystem

/// Who is at the other end of a Unix socket, as the kernel says; the peer has no part in it.
public struct PeerCredentials: Sendable, Equatable {
    /// The process that connected.
    public var pid: Int32
    /// Its effective user when it connected.
    public var uid: UInt32
    /// Its effective group when it connected.
    public var gid: UInt32

    /// Makes credentials from their numbers.
    public init(pid: Int32, uid: UInt32, gid: UInt32) {
        self.pid = pid
        self.uid = uid
        self.gid = gid
    }
}

/// The calls on Unix stream sockets; every descriptor made here is non-blocking and closed on exec.
package enum UnixSocket {
    /// The longest path in octets: `sun_path` less the closing NUL.
    package static let longestPath = 107

    /// Connects to a listening socket.
    ///
    /// - Parameters:
    ///   - path: where somebody listens.
    ///   - patienceSeconds: how long to wait where the listener has more waiting than it takes.
    /// - Returns: the connected socket.
    /// - Throws: ENOENT or ECONNREFUSED where nobody listens, EACCES without permission, EAGAIN where the listener
    ///   has had more waiting than it takes for all that time, ENAMETOOLONG for a path that does not fit.
    package static func connect(_ path: String, patienceSeconds: Int = 0) throws(SystemError) -> FileDescriptor {
        let socket = try make()
        let flags = fcntl(socket.rawValue, F_GETFL)
        if patienceSeconds > 0 {
            // Only a blocking socket has a place in that queue, and its time for sending is the time that it waits there.
            var time = timeval(tv_sec: patienceSeconds, tv_usec: 0)
            try systemCall("setsockopt SO_SNDTIMEO") {
                setsockopt(socket.rawValue, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
            }
            try systemCall("fcntl") { fcntl(socket.rawValue, F_SETFL, flags & ~O_NONBLOCK) }
        }
        try withAddress(path, "connect \(path)") { address, length in Glibc.connect(socket.rawValue, address, length) }
        if patienceSeconds > 0 { try systemCall("fcntl") { fcntl(socket.rawValue, F_SETFL, flags) } }
        return socket
    }

    /// Makes a socket that listens at a path; the file is created with mode 0600, so that nobody can be early.
    ///
    /// - Throws: EADDRINUSE if the path exists, ENOENT if its directory does not, EACCES without permission.
    package static func listen(_ path: String, backlog: Int32) throws(SystemError) -> FileDescriptor {
        let socket = try make()
        // bind(2) gives the file the mode of the socket itself, less the umask: no moment in which others may connect.
        try systemCall("fchmod \(path)") { fchmod(socket.rawValue, 0o600) }
        try withAddress(path, "bind \(path)") { address, length in bind(socket.rawValue, address, length) }
        try systemCall("listen \(path)") { Glibc.listen(socket.rawValue, backlog) }
        return socket
    }

    /// Takes the next connection, or gives nil where none is waiting.
    package static func accept(_ listener: borrowing FileDescriptor) throws(SystemError) -> FileDescriptor? {
        let number = listener.rawValue
        guard let accepted = try systemCallUnlessBlocked("accept", { clinux_accept(number) }) else { return nil }
        return FileDescriptor(owning: accepted)
    }

    /// Who connected a socket.
    package static func peer(of descriptor: Int32) throws(SystemError) -> PeerCredentials {
        var credentials = clinux_credentials()
        try systemCall("getsockopt SO_PEERCRED") { clinux_peer_credentials(descriptor, &credentials) }
        return PeerCredentials(pid: credentials.pid, uid: credentials.uid, gid: credentials.gid)
    }

    /// Reads what is there, up to a limit.
    ///
    /// - Returns: the octets, empty at the end of the stream, or nil where reading would block.
    package static func read(_ descriptor: Int32, upTo limit: Int) throws(SystemError) -> [UInt8]? {
        var outcome: Result<Int?, SystemError> = .success(nil)
        // Not filled with zeros first: most calls are of a few hundred octets.
        let octets = [UInt8](unsafeUninitializedCapacity: limit) { buffer, length in
            outcome = Result { () throws(SystemError) in
                try systemCallUnlessBlocked("recv") { recv(descriptor, buffer.baseAddress, buffer.count, 0) }
            }
            length = (try? outcome.get()) ?? 0
        }
        return try outcome.get() == nil ? nil : octets
    }

    /// Reads what is there, as far as there is room for it.
    ///
    /// - Returns: how many octets were read, 0 at the end of the stream, or nil where reading would block.
    package static func read(
        _ descriptor: Int32, into room: UnsafeMutableRawBufferPointer
    ) throws(SystemError) -> Int? {
        try systemCallUnlessBlocked("recv") { recv(descriptor, room.baseAddress, room.count, 0) }
    }

    /// Writes what fits.
    ///
    /// - Returns: how many octets were taken, or nil where writing would block.
    /// - Throws: EPIPE if the other end is gone; no SIGPIPE comes.
    package static func write(_ descriptor: Int32, _ octets: ArraySlice<UInt8>) throws(SystemError) -> Int? {
        try systemCallUnlessBlocked("send") {
            octets.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        }
    }

    /// Waits until a descriptor can be read or written, or the other end is gone.
    ///
    /// - Parameters:
    ///   - descriptor: the descriptor.
    ///   - writing: whether to wait for writing instead of reading.
    ///   - deadline: nanoseconds of the monotonic clock; nil waits for ever.
    /// - Returns: whether it is ready; false when the deadline has passed.
    /// - Throws: what poll(2) says.
    package static func wait(
        _ descriptor: Int32, forWriting writing: Bool, until deadline: UInt64?
    ) throws(SystemError) -> Bool {
        while true {
            var milliseconds: Int32 = -1
            if let deadline {
                let now = MonotonicClock.now()
                guard now < deadline else { return false }
                // Rounded up: a wait that ends a little early would be asked for again, over and over.
                milliseconds = Int32(clamping: (deadline - now) / 1_000_000 + 1)
            }
            var entry = pollfd(fd: descriptor, events: Int16(writing ? POLLOUT : POLLIN), revents: 0)
            if try systemCall("poll", { poll(&entry, 1, milliseconds) }) > 0 { return true }
        }
    }

    /// A descriptor for bad times, or nil where the times are bad already.
    package static func spare() -> FileDescriptor? {
        do {
            return try make()
        } catch {
            return nil
        }
    }

    private static func make() throws(SystemError) -> FileDescriptor {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        return FileDescriptor(owning: try systemCall("socket") { socket(AF_UNIX, kind, 0) })
    }

    private static func withAddress(
        _ path: String, _ call: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(SystemError) {
        let octets = Array(path.utf8)
        guard octets.count <= longestPath, !octets.contains(0) else {
            throw SystemError(call: call, code: ENAMETOOLONG)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: octets) }
        try withUnsafePointer(to: address) { pointer throws(SystemError) in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic throws(SystemError) in
                _ = try systemCall(call) { body(generic, socklen_t(MemoryLayout<sockaddr_un>.size)) }
            }
        }
    }
}
