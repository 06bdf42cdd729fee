internal import CNetlink
internal import Glibc

/// A request that the kernel or libnl refused.
public struct NetlinkError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The refusals that a caller may want to tell apart.
    public enum Kind: Equatable, Sendable {
        /// EPERM, EACCES: CAP_NET_ADMIN is missing.
        case permissionDenied
        /// EEXIST: the name is taken.
        case exists
        /// ENODEV, ENOENT: there is no such link.
        case notFound
        /// EBUSY, EADDRINUSE: the link, the one below it, or its address there is in use.
        case busy
        /// EINVAL: the kernel does not take these values together.
        case invalid
        /// EOPNOTSUPP: this kind of link cannot do that, or its module is missing.
        case notSupported
        /// The request was still queued when the worker ended.
        case cancelled
        /// Anything else; see `code` and `reason`.
        case other
    }

    /// What was asked, with the object: `create macvtap vsi0 on eth0`.
    public let operation: String
    /// The kind of refusal.
    public let kind: Kind
    /// The kernel's errno, or 0 where libnl itself refused.
    public let code: Int32
    /// Why, in libnl's words and, where the kernel gave some, the kernel's.
    public let reason: String

    /// For people: `create macvtap vsi0 on eth0: Object exists`.
    public var description: String {
        "\(operation): \(reason)"
    }

    /// An error by which libnl ended a request.
    ///
    /// - Parameters:
    ///   - operation: What was asked.
    ///   - libnlCode: libnl's negative return value.
    ///   - kernelCode: The positive errno of the kernel's answer, if it was one.
    ///   - kernelText: The text that the kernel added to it.
    init(operation: String, libnlCode: Int32, kernelCode: Int32? = nil, kernelText: String? = nil) {
        self.operation = operation
        code = kernelCode ?? Self.systemCode(ofLibnl: libnlCode)
        kind = Self.kind(of: code)
        let text = nl_geterror(libnlCode).map { String(cString: $0) } ?? "libnl error \(libnlCode)"
        reason = kernelText.map { "\(text) (\($0))" } ?? text
    }

    /// Creates an error from its parts.
    public init(operation: String, kind: Kind, code: Int32 = 0, reason: String) {
        self.operation = operation
        self.kind = kind
        self.code = code
        self.reason = reason
    }

    private static func kind(of code: Int32) -> Kind {
        switch code {
        case EPERM, EACCES: .permissionDenied
        case EEXIST: .exists
        case ENODEV, ENOENT: .notFound
        case EBUSY, EADDRINUSE: .busy
        case EINVAL: .invalid
        case EOPNOTSUPP: .notSupported
        default: .other
        }
    }

    /// The errno that libnl's code stands for, as far as the kinds need it: opening a socket gives no other.
    private static func systemCode(ofLibnl code: Int32) -> Int32 {
        switch -code {
        case Int32(NLE_PERM): EPERM
        case Int32(NLE_NOACCESS): EACCES
        case Int32(NLE_EXIST): EEXIST
        case Int32(NLE_NODEV): ENODEV
        case Int32(NLE_BUSY): EBUSY
        case Int32(NLE_NOMEM): ENOMEM
        default: 0
        }
    }
}
