// Small files and processes, without Foundation. Paths are the operator's or our own, never a peer's.

internal import Glibc

/// What a daemon does with files.
///
/// Every path is as open(2) takes it; every error names the call and the path.
public enum Files {
    /// Who owns a file and what it is.
    public struct Status: Equatable, Sendable {
        /// User id of the owner.
        public let owner: UInt32
        /// Group id.
        public let group: UInt32
        /// Permission bits, 0o7777 at most.
        public let mode: UInt32
        /// Length in octets.
        public let size: Int
        /// What kind of file it is.
        public let kind: Kind

        /// The kinds of file that are told apart.
        public enum Kind: Equatable, Sendable {
            case regular, directory, socket, symbolicLink, other
        }
    }

    /// Reads a whole file.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - limit: The greatest length in octets that is accepted.
    /// - Returns: Its octets.
    /// - Throws: `SystemError`: EFBIG for a file that is longer than `limit`, else what open(2) or read(2) says.
    public static func read(_ path: String, limit: Int) throws(SystemError) -> [UInt8] {
        let file = FileDescriptor(owning: try systemCall("open \(path)") { open(path, O_RDONLY | O_CLOEXEC) })
        return try read(file, path, limit: limit)
    }

    /// Reads a whole file that another user may have put there: neither a link nor anything else than a regular file is followed or
    /// waited for.
    ///
    /// - Throws: `SystemError`: EFBIG as ``read(_:limit:)``, ELOOP for a symbolic link, EINVAL for what is no regular file.
    public static func readRegular(_ path: String, limit: Int) throws(SystemError) -> [UInt8] {
        let flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
        let file = FileDescriptor(owning: try systemCall("open \(path)") { open(path, flags) })
        var information = stat()
        try systemCall("fstat \(path)") { fstat(file.rawValue, &information) }
        guard information.st_mode & S_IFMT == S_IFREG else { throw SystemError(call: "read \(path)", code: EINVAL) }
        return try read(file, path, limit: limit)
    }

    private static func read(
        _ file: borrowing FileDescriptor, _ path: String, limit: Int
    ) throws(SystemError) -> [UInt8] {
        var octets: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: min(limit &+ 1, 65_536))
        while true {
            let count = try systemCall("read \(path)") {
                chunk.withUnsafeMutableBytes { Glibc.read(file.rawValue, $0.baseAddress, $0.count) }
            }
            if count == 0 {
                return octets
            }
            guard octets.count + count <= limit else {
                throw SystemError(call: "read \(path)", code: EFBIG)
            }
            if octets.isEmpty, count == chunk.count { octets.reserveCapacity(min(length(of: file), limit)) }
            octets.append(contentsOf: chunk[..<count])
        }
    }

    /// Octets that a file has now; it may grow or shrink meanwhile, and of some files the kernel says nothing.
    private static func length(of file: borrowing FileDescriptor) -> Int {
        var information = stat()
        return fstat(file.rawValue, &information) == 0 ? max(Int(information.st_size), 0) : 0
    }

    /// Replaces a file as a whole: a reader, or a crash of this process, sees the old content or the new.
    ///
    /// Writes a temporary file beside it and renames that.
    /// - Parameters:
    ///   - path: The file.
    ///   - octets: Its new content.
    ///   - mode: Permission bits, whatever the umask.
    ///   - isDurable: Whether it is synced to the disk. A file that need not outlive a boot is not.
    /// - Throws: `SystemError`; the old file is then untouched and no temporary file is left.
    public static func writeAtomically(
        _ path: String, _ octets: [UInt8], mode: UInt32, isDurable: Bool = false
    ) throws(SystemError) {
        let temporary = "\(path).\(Processes.ownID).tmp"
        do {
            // One that a crashed process of the same id left behind is in the way of O_EXCL.
            _ = Glibc.unlink(temporary)
            try write(temporary, octets, mode: mode, flags: O_CREAT | O_EXCL | O_NOFOLLOW, isDurable: isDurable)
            try systemCall("rename \(temporary) to \(path)") { rename(temporary, path) }
        } catch {
            _ = Glibc.unlink(temporary)
            throw error
        }
        if isDurable { try syncFolder(of: path) }
    }

    /// Has the names of a folder on the disk.
    private static func syncFolder(of path: String) throws(SystemError) {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let descriptor = try systemCall("open \(folder)") {
            open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        let file = FileDescriptor(owning: descriptor)
        try systemCall("fsync \(folder)") { fsync(file.rawValue) }
    }

    /// Writes a file in place, so that its owner, its inode and whoever watches it stay the same.
    ///
    /// - Parameters:
    ///   - path: The file; it is created if it is not there, and a symbolic link is not followed.
    ///   - octets: Its new content.
    ///   - mode: Permission bits, whatever the umask.
    /// - Throws: `SystemError`; the file may then be empty or half written.
    public static func write(_ path: String, _ octets: [UInt8], mode: UInt32) throws(SystemError) {
        try write(path, octets, mode: mode, flags: O_CREAT | O_TRUNC | O_NOFOLLOW)
    }

    private static func write(
        _ path: String, _ octets: [UInt8], mode: UInt32, flags: Int32, isDurable: Bool = false
    ) throws(SystemError) {
        let descriptor = try systemCall("open \(path)") {
            open(path, O_WRONLY | O_CLOEXEC | flags, mode_t(mode & 0o7777))
        }
        let file = FileDescriptor(owning: descriptor)
        // open(2) takes the umask off; a file of another owner keeps the mode that its owner gave it.
        if fchmod(file.rawValue, mode_t(mode & 0o7777)) != 0, errno != EPERM {
            throw SystemError(call: "fchmod \(path)", code: errno)
        }
        var written = 0
        while written < octets.count {
            written += try systemCall("write \(path)") {
                octets.withUnsafeBytes { buffer in
                    Glibc.write(file.rawValue, buffer.baseAddress.map { $0 + written }, buffer.count - written)
                }
            }
        }
        if isDurable { try systemCall("fsync \(path)") { fsync(file.rawValue) } }
    }

    /// Removes a file.
    ///
    /// - Returns: Whether there was one.
    /// - Throws: `SystemError` with any errno but ENOENT.
    @discardableResult
    public static func unlink(_ path: String) throws(SystemError) -> Bool {
        do {
            try systemCall("unlink \(path)") { Glibc.unlink(path) }
            return true
        } catch {
            guard error.code == ENOENT else {
                throw error
            }
            return false
        }
    }

    /// Makes a directory, unless it is there.
    ///
    /// - Parameters:
    ///   - path: The directory; its parent must exist.
    ///   - mode: Permission bits of a new one, whatever the umask.
    /// - Returns: Whether it was made now.
    /// - Throws: `SystemError`: ENOTDIR if something else has the name.
    @discardableResult
    public static func makeDirectory(_ path: String, mode: UInt32) throws(SystemError) -> Bool {
        do {
            try systemCall("mkdir \(path)") { mkdir(path, mode_t(mode & 0o7777)) }
        } catch {
            guard error.code == EEXIST else {
                throw error
            }
            guard try status(path).kind == .directory else {
                throw SystemError(call: "mkdir \(path)", code: ENOTDIR)
            }
            return false
        }
        try setMode(path, mode)
        return true
    }

    /// Sets the permission bits of a file.
    ///
    /// - Throws: `SystemError`: EPERM if it is another user's.
    public static func setMode(_ path: String, _ mode: UInt32) throws(SystemError) {
        try systemCall("chmod \(path)") { chmod(path, mode_t(mode & 0o7777)) }
    }

    /// Gives a file to a group.
    ///
    /// - Throws: `SystemError`: EPERM if the process is neither privileged nor in that group.
    public static func setGroup(_ path: String, _ group: UInt32) throws(SystemError) {
        // The user id -1 leaves the owner alone.
        try systemCall("chown \(path)") { chown(path, uid_t.max, group) }
    }

    /// The names in a directory, without `.` and `..`, in order.
    ///
    /// - Parameters:
    ///   - path: The directory.
    ///   - limit: The greatest number of names that is accepted.
    /// - Returns: The names; one that is not UTF-8 is repaired and will not be found again.
    /// - Throws: `SystemError`: EOVERFLOW for more names than `limit`, else what opendir(3) or readdir(3) says.
    public static func list(_ path: String, limit: Int) throws(SystemError) -> [String] {
        guard let directory = opendir(path) else {
            throw SystemError(call: "opendir \(path)", code: errno)
        }
        defer { closedir(directory) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                let code = errno
                guard code == 0 else {
                    throw SystemError(call: "readdir \(path)", code: code)
                }
                return names.sorted()
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { octets in
                String(decoding: octets.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name != ".", name != ".." else {
                continue
            }
            guard names.count < limit else {
                throw SystemError(call: "readdir \(path)", code: EOVERFLOW)
            }
            names.append(name)
        }
    }

    /// Who owns a file and what it is; of a symbolic link itself, not of what it leads to.
    ///
    /// - Throws: `SystemError`: ENOENT if there is none.
    public static func status(_ path: String) throws(SystemError) -> Status {
        var information = stat()
        try systemCall("lstat \(path)") { lstat(path, &information) }
        let kind: Status.Kind =
            switch information.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFSOCK: .socket
            case S_IFLNK: .symbolicLink
            default: .other
            }
        return Status(
            owner: information.st_uid, group: information.st_gid, mode: UInt32(information.st_mode & 0o7777),
            size: Int(information.st_size), kind: kind)
    }

    /// What a symbolic link leads to, as it is written there.
    ///
    /// - Throws: `SystemError`: EINVAL if it is no link, ENAMETOOLONG for a target longer than PATH_MAX.
    public static func readLink(_ path: String) throws(SystemError) -> String {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let capacity = target.count
        let length = try systemCall("readlink \(path)") { readlink(path, &target, capacity) }
        guard length < capacity else {
            throw SystemError(call: "readlink \(path)", code: ENAMETOOLONG)
        }
        return String(decoding: target[..<length].lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// What a daemon asks about processes.
public enum Processes {
    /// This process's id.
    public static var ownID: Int32 {
        getpid()
    }

    /// The user as whom this process works.
    public static var ownUser: UInt32 {
        geteuid()
    }

    /// How many descriptors this process may have open (RLIMIT_NOFILE).
    public static var descriptorLimit: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
        return Int(clamping: limit.rlim_cur)
    }

    /// Whether a process with an id exists, whoever owns it; one that has ended but was not waited for does.
    public static func exists(_ id: Int32) -> Bool {
        // Zero and below name process groups.
        guard id > 0 else {
            return false
        }
        return kill(id, 0) == 0 || errno == EPERM
    }
}
