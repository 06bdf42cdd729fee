// One evbd for one interface: a lock in the kernel, in the network namespace of the interface, that only CAP_NET_RAW can take and
// that ends with the process. A fanout group of packet sockets with room for one member is such a lock. Its sockets hear nothing.

internal import CLinux
internal import Glibc
public import LinuxSystem

/// The claim of this process on one interface, for as long as the object lives.
public final class InterfaceClaim {
    /// A group's number has 16 bits and may be another program's, or that of an interface with a like index. A claim is three
    /// groups, so that all of them would have to be.
    private static let groups = 0..<3 as Range<UInt16>

    /// Owns one socket.
    private final class Member {
        let descriptor: FileDescriptor

        init(owning descriptor: consuming FileDescriptor) {
            self.descriptor = descriptor
        }
    }

    private let members: [Member]

    /// Takes an interface; gives nil if another process has it, or another object of this one.
    ///
    /// - Parameter interfaceIndex: the interface, in this network namespace; it may be down.
    /// - Throws: `SystemError`: EPERM without CAP_NET_RAW.
    public init?(interfaceIndex: Int32) throws(SystemError) {
        var members: [Member] = []
        let (high, low) = (
            UInt16(truncatingIfNeeded: interfaceIndex >> 16), UInt16(truncatingIfNeeded: interfaceIndex)
        )
        for number in Self.groups {
            // Groups of different EtherTypes do not mix. These are no protocol's.
            let member = try Self.socket(hearing: 0xF000 | number << 10 | high & 0x3FF)
            var group = fanout_args()
            group.id = low ^ (number &* 0xA5A5) ^ (number &* high &* 0x9E37)
            group.max_num_members = 1
            do {
                try systemCall("setsockopt PACKET_FANOUT") {
                    setsockopt(
                        member.descriptor.rawValue, SOL_PACKET, PACKET_FANOUT, &group,
                        socklen_t(MemoryLayout<fanout_args>.size))
                }
                members.append(member)
            } catch {
                if error.code == ENOSPC { return nil }
                // EINVAL: the number is that of another program's group, or the kernel is older than 5.13.
                guard error.code == EINVAL else { throw error }
            }
        }
        self.members = members
    }

    /// A socket on all interfaces that drops all that it hears.
    private static func socket(hearing etherType: UInt16) throws(SystemError) -> Member {
        let type = Int32(SOCK_RAW.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let number = try systemCall("socket AF_PACKET") { Glibc.socket(AF_PACKET, type, 0) }
        let member = Member(owning: FileDescriptor(owning: number))
        var nothing = sock_filter(code: UInt16(BPF_RET | BPF_K), jt: 0, jf: 0, k: 0)
        try withUnsafeMutablePointer(to: &nothing) { pointer throws(SystemError) in
            var program = sock_fprog(len: 1, filter: pointer)
            _ = try systemCall("setsockopt SO_ATTACH_FILTER") {
                setsockopt(
                    number, SOL_SOCKET, SO_ATTACH_FILTER, &program, socklen_t(MemoryLayout<sock_fprog>.size))
            }
        }
        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_protocol = etherType.bigEndian
        try withUnsafeBytes(of: &address) { octets throws(SystemError) in
            _ = try systemCall("bind packet socket") {
                bind(number, octets.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(octets.count))
            }
        }
        return member
    }
}
