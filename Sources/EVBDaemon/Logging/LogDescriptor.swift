internal import Glibc
internal import LinuxSystem

/// Where lines of the log go as octets: standard error, whatever that is.
///
/// A write never blocks where that can be had without changing the description that evbd shares with other processes:
/// O_NONBLOCK would be theirs too.
struct LogDescriptor: Sendable {
    /// What a write does where the reader stands still.
    private enum Kind {
        /// A regular file has no reader.
        case file
        /// A socket is asked not to block, write by write.
        case socket
        /// A pipe or a terminal that could be opened once more, as a description of our own, which does not block.
        case ownDescription
        /// One that could not. It is written to by a thread that may block.
        case blocking
    }

    private let number: Int32
    private let kind: Kind

    /// What one attempt to write did.
    enum Outcome: Equatable {
        /// So many octets were taken.
        case taken(Int)
        /// The reader stands still.
        case full
        /// The reader is gone, or the disk is full.
        case failed
    }

    /// Finds out how a descriptor is written to. It stays open as long as the process.
    ///
    /// - Parameters:
    ///   - descriptor: the descriptor.
    ///   - isReopened: whether a pipe or a terminal is opened once more if that is allowed.
    init(_ descriptor: Int32, isReopened: Bool = true) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            (number, kind) = (descriptor, .file)
            return
        }
        switch status.st_mode & S_IFMT {
        case S_IFSOCK: (number, kind) = (descriptor, .socket)
        case S_IFIFO, S_IFCHR:
            let flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
            let own = isReopened ? open("/proc/self/fd/\(descriptor)", flags) : -1
            (number, kind) = own >= 0 ? (own, .ownDescription) : (descriptor, .blocking)
        default: (number, kind) = (descriptor, .file)
        }
    }

    /// Whether the thread of the loop may write.
    var neverBlocks: Bool { kind != .blocking }

    /// Writes what is taken at once.
    func write(_ octets: ArraySlice<UInt8>) -> Outcome {
        do {
            let count = try octets.withUnsafeBytes { buffer throws(SystemError) in
                try systemCallUnlessBlocked("write") {
                    kind == .socket
                        ? send(number, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
                        : Glibc.write(number, buffer.baseAddress, buffer.count)
                }
            }
            return count.map { .taken($0) } ?? .full
        } catch {
            return .failed
        }
    }

    /// Waits until something is taken, or the reader is gone, for as long as that takes.
    func waitUntilWritable() {
        var entry = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
        _ = poll(&entry, 1, -1)
    }
}
