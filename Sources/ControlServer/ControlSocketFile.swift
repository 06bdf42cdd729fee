// The file of the control socket: taken only where nobody answers, and open to one group from its first moment on.

internal import EVBControl
internal import Glibc
internal import LinuxSystem

/// Who may connect to a socket, by its group and mode.
package enum ControlUsers: Sendable, Equatable {
    /// Root, evbd itself, and the members of a group; nil takes `evbd` if that exists and may be given, else evbd's own.
    case group(String?)
    /// Everybody on this host.
    case everyone
}

enum ControlSocketFile {
    /// How many clients may wait to be accepted: a turn or two of a loop that is beset by them.
    static let backlog: Int32 = 512
    /// The group that is taken where none is configured.
    static let defaultGroup = "evbd"

    static func listen(_ path: String, users: ControlUsers) throws(ControlServerError) -> FileDescriptor {
        guard path.utf8.count <= UnixSocket.longestPath else { throw .pathTooLong(path: path) }
        var groupID: UInt32?
        switch users {
        case .group(let group?):
            groupID = try identifier(of: group)
            guard groupID != nil else { throw .noSuchGroup(group) }
        case .group(nil): groupID = try identifier(of: defaultGroup)
        case .everyone: groupID = nil
        }
        try removeAbandoned(path)
        let listener: FileDescriptor
        do {
            listener = try UnixSocket.listen(path, backlog: backlog)
        } catch {
            switch error.code {
            case ENOENT, ENOTDIR: throw .noDirectory(path: path)
            case EADDRINUSE: throw .inUse(path: path)
            default: throw .system("\(error)")
            }
        }
        do throws(ControlServerError) {
            try open(path, to: groupID, users)
        } catch {
            _ = try? Files.unlink(path)
            throw error
        }
        return listener
    }

    /// Gives the socket to its group, and only then the group its way in.
    private static func open(
        _ path: String, to groupID: UInt32?, _ users: ControlUsers
    ) throws(ControlServerError) {
        if let groupID {
            do {
                try Files.setGroup(path, groupID)
            } catch {
                // The default group is a convenience; what the user configured is not.
                if case .group(let group?) = users { throw .groupRefused(group, cause: "\(error)") }
            }
        }
        do {
            try Files.setMode(path, users == .everyone ? 0o666 : 0o660)
        } catch {
            throw .system("\(error)")
        }
    }

    private static func removeAbandoned(_ path: String) throws(ControlServerError) {
        do {
            guard try Files.status(path).kind == .socket else { throw ControlServerError.notASocket(path: path) }
        } catch let error as SystemError {
            // Nothing there, or no way to know: bind(2) will tell.
            guard error.code != ENOENT, error.code != ENOTDIR else { return }
            throw .system("\(error)")
        } catch {
            throw .notASocket(path: path)
        }
        do {
            _ = try UnixSocket.connect(path)
        } catch {
            guard error.code == ECONNREFUSED else {
                // EAGAIN: somebody listens and is busy.
                throw error.code == EAGAIN ? .inUse(path: path) : .system("\(error)")
            }
            do {
                try Files.unlink(path)
            } catch {
                throw .system("\(error)")
            }
            return
        }
        throw .inUse(path: path)
    }

    private static func identifier(of group: String) throws(ControlServerError) -> UInt32? {
        var entry = Glibc.group()
        var found: UnsafeMutablePointer<Glibc.group>?
        // The members of a group come along; 64 KiB hold some thousand names.
        var buffer = [CChar](repeating: 0, count: 64 << 10)
        let code = getgrnam_r(group, &entry, &buffer, buffer.count, &found)
        guard code == 0 || code == ENOENT else {
            throw .system("\(SystemError(call: "getgrnam \(group)", code: code))")
        }
        return found == nil ? nil : entry.gr_gid
    }
}
