internal import Glibc

/// A file that grows by whole records, and in which single octets of these are overwritten.
///
/// Where it ends is kept here and not asked for: what an addition that failed has left behind is written over by the next one. Not
/// synced to a disk: it is for files that need not outlive a boot.
package final class RecordFile {
    private let file: FileDescriptor
    private let identity: (device: dev_t, number: ino_t)
    package let path: String
    /// Octets of all whole records.
    package private(set) var length: Int

    /// Opens a file that is there, for its owner alone; a symbolic link is not followed.
    ///
    /// - Throws: `SystemError`: what open(2) or fstat(2) says.
    package convenience init(_ path: String) throws(SystemError) { try self.init(path, flags: 0) }

    /// Makes an empty file, in place of what has the path.
    ///
    /// - Throws: `SystemError`.
    package convenience init(making path: String) throws(SystemError) {
        try Files.unlink(path)
        try self.init(path, flags: O_CREAT | O_EXCL)
    }

    private init(_ path: String, flags: Int32) throws(SystemError) {
        self.path = path
        let descriptor = try systemCall("open \(path)") { open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0o600) }
        file = FileDescriptor(owning: descriptor)
        var status = stat()
        try systemCall("fstat \(path)") { fstat(descriptor, &status) }
        identity = (status.st_dev, status.st_ino)
        length = Int(status.st_size)
    }

    /// Whether this file has a path still.
    ///
    /// - Throws: `SystemError`: why the path leads nowhere.
    package func isAt(_ path: String) throws(SystemError) -> Bool {
        var status = stat()
        try systemCall("lstat \(path)") { lstat(path, &status) }
        return status.st_dev == identity.device && status.st_ino == identity.number
    }

    /// Adds octets at the end, all or none.
    ///
    /// - Returns: the place of the first one.
    /// - Throws: `SystemError`: ENOSPC and what else write(2) says.
    @discardableResult
    package func append(_ octets: [UInt8]) throws(SystemError) -> Int {
        let place = length
        do throws(SystemError) {
            var written = 0
            while written < octets.count {
                written += try systemCall("write \(path)") {
                    octets.withUnsafeBytes { buffer in
                        pwrite(
                            file.rawValue, buffer.baseAddress.map { $0 + written }, buffer.count - written,
                            off_t(place + written))
                    }
                }
            }
        } catch {
            // Room that only half a record has is room for no other one.
            _ = ftruncate(file.rawValue, off_t(place))
            throw error
        }
        length += octets.count
        return place
    }

    /// Overwrites one octet, which takes no room, and is done or not: there is no half of it.
    ///
    /// - Throws: `SystemError`.
    package func overwrite(_ octet: UInt8, at place: Int) throws(SystemError) {
        var octet = octet
        try systemCall("write \(path)") { pwrite(file.rawValue, &octet, 1, off_t(place)) }
    }

    /// Forgets what is behind a place.
    package func truncate(to length: Int) throws(SystemError) {
        try systemCall("ftruncate \(path)") { ftruncate(file.rawValue, off_t(length)) }
        self.length = length
    }

    /// Octets of the file.
    ///
    /// - Throws: `SystemError`: EIO where there are not so many.
    package func read(_ count: Int, at place: Int) throws(SystemError) -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let part = try systemCall("read \(path)") {
                octets.withUnsafeMutableBytes { buffer in
                    pread(file.rawValue, buffer.baseAddress.map { $0 + done }, count - done, off_t(place + done))
                }
            }
            guard part > 0 else { throw SystemError(call: "read \(path)", code: EIO) }
            done += part
        }
        return octets
    }
}
