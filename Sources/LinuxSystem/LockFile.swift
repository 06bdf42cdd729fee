// A lock that the kernel gives up with the process that holds it, however that ends.

internal import Glibc

/// A lock on a file that only its owner may open, so that no other user can hold it.
public final class LockFile {
    /// Why a lock is not had.
    public enum Failure: Error, Equatable, Sendable {
        /// A process holds it: the number that it has written, if that can be read.
        case held(by: Int32?)
        /// The file cannot be opened or locked.
        case system(SystemError)
    }

    private let descriptor: FileDescriptor

    /// Takes a lock for as long as the object lives.
    ///
    /// The file stays when the lock is given up: to remove it would let two processes lock two files of one name.
    /// - Parameter path: the file; made with mode 0600 if it is not there, in a directory where no other user may make files.
    /// - Throws: `Failure`. It never waits.
    public init(_ path: String) throws(Failure) {
        let opened: Int32
        do throws(SystemError) {
            opened = try systemCall("open \(path)") { open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600) }
        } catch {
            throw .system(error)
        }
        descriptor = FileDescriptor(owning: opened)
        do throws(SystemError) {
            try systemCall("flock \(path)") { flock(opened, LOCK_EX | LOCK_NB) }
        } catch {
            guard error.code == EWOULDBLOCK else { throw .system(error) }
            throw .held(by: Self.number(in: path))
        }
        let number = Array("\(Processes.ownID)\n".utf8)
        // For people; the lock is the kernel's.
        if ftruncate(opened, 0) == 0 { _ = pwrite(opened, number, number.count, 0) }
    }

    private static func number(in path: String) -> Int32? {
        guard let octets = try? Files.read(path, limit: 64) else { return nil }
        return Int32(String(decoding: octets.prefix { $0 != 0x0A }, as: UTF8.self))
    }
}
