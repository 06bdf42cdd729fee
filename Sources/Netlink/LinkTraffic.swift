// What the kernel has counted at links, by RTM_GETSTATS: a tenth of what a listing of links takes.

internal import CLinux
internal import CNetlink
internal import Glibc
public import LinuxSystem

/// The counters of a link, as the kernel's side of it sees them: what it receives from the link and sends to it.
public struct LinkTraffic: Sendable, Equatable {
    public var receivedFrames: UInt64 = 0
    public var sentFrames: UInt64 = 0
    public var receivedOctets: UInt64 = 0
    public var sentOctets: UInt64 = 0
    public var receivedDrops: UInt64 = 0
    public var sentDrops: UInt64 = 0

    /// How long the kernel may take for its next answer, in seconds.
    private static let patience = 5
    /// More links than these are listed as a whole.
    private static let singleMax = 64
    /// RTM_NEWSTATS and RTM_GETSTATS of linux/rtnetlink.h, IFLA_STATS_LINK_64 of linux/if_link.h.
    private static let (newStatistics, getStatistics): (UInt16, UInt16) = (92, 94)
    private static let link64: UInt16 = 1

    /// Starts at zero.
    public init() {}

    /// Reads counters of links of this thread's network namespace. The kernel may take long: not for the loop's thread.
    ///
    /// - Parameter indices: the links; nil for all.
    /// - Returns: the counters by the indices of links. A link that is not there is left out.
    /// - Throws: `SystemError`: EOPNOTSUPP for a kernel before Linux 4.7.
    public static func read(_ indices: Set<Int32>?) throws(SystemError) -> [Int32: LinkTraffic] {
        let type = Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue)
        let number = try systemCall("socket NETLINK_ROUTE") { socket(AF_NETLINK, type, NETLINK_ROUTE) }
        let descriptor = FileDescriptor(owning: number)
        defer { _ = descriptor.rawValue }
        var time = timeval(tv_sec: patience, tv_usec: 0)
        try systemCall("setsockopt SO_RCVTIMEO") {
            setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        var found: [Int32: LinkTraffic] = [:]
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let wanted = indices.map { $0.count > singleMax ? [0] : Array($0) } ?? [0]
        for index in wanted {
            let request = request(index)
            try systemCall("send RTM_GETSTATS") { send(number, request, request.count, 0) }
            var isDone = false
            while !isDone {
                let count = try systemCall("recv RTM_GETSTATS") {
                    buffer.withUnsafeMutableBytes { recv(number, $0.baseAddress, $0.count, 0) }
                }
                isDone = try read(buffer[..<count], &found)
            }
        }
        return found
    }

    /// Asks for one link, or for all where it is 0; an acknowledgement or the end of the list comes last.
    private static func request(_ index: Int32) -> [UInt8] {
        var header = nlmsghdr()
        // family, pads, index, filter mask.
        let payload = [UInt32(0), UInt32(bitPattern: index), UInt32(1) << UInt32(link64 - 1)]
        header.nlmsg_len = UInt32(MemoryLayout<nlmsghdr>.size + 12)
        header.nlmsg_type = getStatistics
        header.nlmsg_flags = UInt16(NLM_F_REQUEST | (index == 0 ? NLM_F_ROOT | NLM_F_MATCH : NLM_F_ACK))
        return withUnsafeBytes(of: header, Array.init) + payload.withUnsafeBytes(Array.init)
    }

    /// Reads one datagram of the kernel's; true at the end of the answer.
    static func read(_ octets: ArraySlice<UInt8>, _ found: inout [Int32: LinkTraffic]) throws(SystemError) -> Bool {
        let headerLength = MemoryLayout<nlmsghdr>.size
        var rest = octets
        while rest.count >= headerLength {
            let header = rest.withUnsafeBytes { $0.loadUnaligned(as: nlmsghdr.self) }
            let length = Int(header.nlmsg_len)
            guard length >= headerLength, length <= rest.count else { return true }
            let payload = rest.dropFirst(headerLength).prefix(length - headerLength)
            switch Int32(header.nlmsg_type) {
            case NLMSG_DONE: return true
            case NLMSG_ERROR:
                let code = payload.count >= 4 ? payload.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) } : -EIO
                guard code != 0, code != -ENODEV else { return true }
                throw SystemError(call: "RTM_GETSTATS", code: code == .min ? EIO : -code)
            case Int32(newStatistics) where payload.count >= 12:
                let index = payload.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 4, as: Int32.self) }
                if let traffic = traffic(payload.dropFirst(12)) { found[index] = traffic }
            default: break
            }
            rest = rest.dropFirst(min((length + 3) & ~3, rest.count))
        }
        return false
    }

    /// The counters among the attributes of an answer.
    private static func traffic(_ attributes: ArraySlice<UInt8>) -> LinkTraffic? {
        var rest = attributes
        while rest.count >= 4 {
            let length = Int(rest.withUnsafeBytes { $0.loadUnaligned(as: UInt16.self) })
            let type = rest.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self) }
            guard length >= 4, length <= rest.count else { return nil }
            if type == link64, length >= 4 + 8 * 8 {
                return rest.dropFirst(4).withUnsafeBytes { counters in
                    func counter(_ place: Int) -> UInt64 {
                        counters.loadUnaligned(fromByteOffset: 8 * place, as: UInt64.self)
                    }
                    var traffic = LinkTraffic()
                    (traffic.receivedFrames, traffic.sentFrames) = (counter(0), counter(1))
                    (traffic.receivedOctets, traffic.sentOctets) = (counter(2), counter(3))
                    // 4 and 5 are errors.
                    (traffic.receivedDrops, traffic.sentDrops) = (counter(6), counter(7))
                    return traffic
                }
            }
            rest = rest.dropFirst(min((length + 3) & ~3, rest.count))
        }
        return nil
    }
}
