internal import Glibc

/// A file that is written at its end only.
public final class AppendFile {
    private let file: FileDescriptor
    private let path: String
    /// Length in octets, as far as this has written it or found it.
    public private(set) var length: Int

    /// Opens a file that is there; a symbolic link is not followed.
    ///
    /// - Throws: `SystemError`: what open(2) or lseek(2) says.
    public init(_ path: String) throws(SystemError) {
        self.path = path
        file = FileDescriptor(
            owning: try systemCall("open \(path)") { open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW) })
        let end = lseek(file.rawValue, 0, SEEK_END)
        guard end >= 0 else { throw SystemError(call: "lseek \(path)", code: errno) }
        length = Int(end)
    }

    /// Adds octets, all or none as far as the kernel lets a part be taken back. Not synced to a disk.
    ///
    /// - Throws: `SystemError`: ENOSPC and what else write(2) says.
    public func append(_ octets: [UInt8]) throws(SystemError) {
        var written = 0
        do {
            while written < octets.count {
                written += try systemCall("write \(path)") {
                    octets.withUnsafeBytes { buffer in
                        Glibc.write(file.rawValue, buffer.baseAddress.map { $0 + written }, buffer.count - written)
                    }
                }
            }
        } catch {
            if written > 0 { _ = ftruncate(file.rawValue, off_t(length)) }
            throw error
        }
        length += written
    }
}
