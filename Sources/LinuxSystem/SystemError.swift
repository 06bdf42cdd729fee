// The one way by which evbd makes system calls: EINTR is not an error, and errno is read before anything else can run.

public import Glibc

/// A system call that failed, and why.
public struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was being done: the call's name, with the object where one helps (`open /run/evbd/state`).
    public let call: String
    /// The errno.
    public let code: Int32

    /// Creates an error from a call's name and the errno it left.
    public init(call: String, code: Int32) {
        self.call = call
        self.code = code
    }

    /// For people: `bind: Address already in use (EADDRINUSE)`.
    public var description: String {
        "\(call): \(Self.text(of: code)) (\(Self.symbol(of: code)))"
    }

    /// Whether it is EADDRINUSE.
    public var isAddressInUse: Bool { code == EADDRINUSE }

    /// Whether what was named is not there (ENOENT, ENOTDIR).
    public var isMissing: Bool { code == ENOENT || code == ENOTDIR }

    /// The C library's text for an errno.
    private static func text(of code: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            guard let start = buffer.baseAddress, strerror_r(code, start, buffer.count) == 0 else {
                return "Unknown error \(code)"
            }
            return String(cString: start)
        }
    }

    private static func symbol(of code: Int32) -> String {
        symbols[code] ?? "errno \(code)"
    }

    /// The names of the errors that the calls of this program are documented to give.
    private static let symbols: [Int32: String] = [
        EPERM: "EPERM", ENOENT: "ENOENT", ESRCH: "ESRCH", EINTR: "EINTR", EIO: "EIO", ENXIO: "ENXIO", E2BIG: "E2BIG",
        EBADF: "EBADF", ECHILD: "ECHILD", EAGAIN: "EAGAIN", ENOMEM: "ENOMEM", EACCES: "EACCES", EFAULT: "EFAULT",
        EBUSY: "EBUSY", EEXIST: "EEXIST", EXDEV: "EXDEV", ENODEV: "ENODEV", ENOTDIR: "ENOTDIR", EISDIR: "EISDIR",
        EINVAL: "EINVAL", ENFILE: "ENFILE", EMFILE: "EMFILE", ETXTBSY: "ETXTBSY", EFBIG: "EFBIG", ENOSPC: "ENOSPC",
        ESPIPE: "ESPIPE", EROFS: "EROFS", EMLINK: "EMLINK", EPIPE: "EPIPE", ERANGE: "ERANGE",
        ENAMETOOLONG: "ENAMETOOLONG", ENOSYS: "ENOSYS", ENOTEMPTY: "ENOTEMPTY", ELOOP: "ELOOP", EPROTO: "EPROTO",
        EBADMSG: "EBADMSG", EOVERFLOW: "EOVERFLOW", ENOTSOCK: "ENOTSOCK", EDESTADDRREQ: "EDESTADDRREQ",
        EMSGSIZE: "EMSGSIZE", EPROTOTYPE: "EPROTOTYPE", ENOPROTOOPT: "ENOPROTOOPT",
        EPROTONOSUPPORT: "EPROTONOSUPPORT", EOPNOTSUPP: "EOPNOTSUPP", EAFNOSUPPORT: "EAFNOSUPPORT",
        EADDRINUSE: "EADDRINUSE", EADDRNOTAVAIL: "EADDRNOTAVAIL", ENETDOWN: "ENETDOWN", ENETUNREACH: "ENETUNREACH",
        ECONNABORTED: "ECONNABORTED", ECONNRESET: "ECONNRESET", ENOBUFS: "ENOBUFS", EISCONN: "EISCONN",
        ENOTCONN: "ENOTCONN", ETIMEDOUT: "ETIMEDOUT", ECONNREFUSED: "ECONNREFUSED", EHOSTUNREACH: "EHOSTUNREACH",
        EALREADY: "EALREADY", EINPROGRESS: "EINPROGRESS", EDQUOT: "EDQUOT", ECANCELED: "ECANCELED",
    ]
}

/// Makes a system call that reports failure by -1 and errno, again for as long as a signal interrupts it.
///
/// The name is built only on failure.
/// - Parameters:
///   - name: What the error will say was being done.
///   - body: The call and nothing else, so that nothing can overwrite errno.
/// - Returns: The call's result, never -1.
/// - Throws: `SystemError` with any errno but EINTR.
@inlinable
@inline(__always)
@discardableResult
public func systemCall<Result: FixedWidthInteger & SignedInteger>(
    _ name: @autoclosure () -> String, _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result != -1 {
            return result
        }
        let code = errno
        if code != EINTR {
            throw SystemError(call: name(), code: code)
        }
    }
}

/// Makes a system call on a non-blocking descriptor; see `systemCall`.
///
/// - Parameters:
///   - name: What the error will say was being done.
///   - body: The call and nothing else.
/// - Returns: The call's result, or nil where it would have blocked (EAGAIN).
/// - Throws: `SystemError` with any errno but EINTR and EAGAIN.
@inlinable
@inline(__always)
public func systemCallUnlessBlocked<Result: FixedWidthInteger & SignedInteger>(
    _ name: @autoclosure () -> String, _ body: () -> Result
) throws(SystemError) -> Result? {
    while true {
        let result = body()
        if result != -1 {
            return result
        }
        let code = errno
        if code == EAGAIN || code == EWOULDBLOCK {
            return nil
        }
        if code != EINTR {
            throw SystemError(call: name(), code: code)
        }
    }
}
