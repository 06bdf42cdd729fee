// Hears which addresses VXLAN devices do not find: they ask the program that fills their tables (l2miss, l3miss).

internal import CLinux
internal import CNetlink
internal import Glibc
public import LinuxSystem

/// What a VXLAN device does not know.
public enum TunnelMiss: Sendable, Hashable {
    /// Behind which box an address is.
    case box(of: HardwareAddress, deviceIndex: Int32)
    /// Which hardware address an IP address has, 4 or 16 octets.
    case neighbour([UInt8], deviceIndex: Int32)
}

/// Hears the questions of VXLAN devices. Needs no privilege. One is asked for every frame that is lost.
public final class MissMonitor {
    /// Questions taken at a time; the rest of a flood is dropped in the kernel.
    private static let questionsMax = 64

    private let socketDescriptor: FileDescriptor
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 13, alignment: 16)

    /// Begins to listen.
    ///
    /// - Throws: `SystemError`.
    public init() throws(SystemError) {
        let type = Int32(SOCK_RAW.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let number = try systemCall("socket AF_NETLINK") { socket(AF_NETLINK, type, NETLINK_ROUTE) }
        socketDescriptor = FileDescriptor(owning: number)
        // The type of the message, in host order, where the filter loads in the network's: all but questions is dropped.
        var filter = [
            sock_filter(code: UInt16(BPF_LD | BPF_H | BPF_ABS), jt: 0, jf: 0, k: 4),
            sock_filter(
                code: UInt16(BPF_JMP | BPF_JEQ | BPF_K), jt: 0, jf: 1, k: UInt32(UInt16(RTM_GETNEIGH).bigEndian)),
            sock_filter(code: UInt16(BPF_RET | BPF_K), jt: 0, jf: 0, k: .max),
            sock_filter(code: UInt16(BPF_RET | BPF_K), jt: 0, jf: 0, k: 0),
        ]
        try filter.withUnsafeMutableBufferPointer { instructions throws(SystemError) in
            var program = sock_fprog(len: UInt16(instructions.count), filter: instructions.baseAddress)
            _ = try systemCall("setsockopt SO_ATTACH_FILTER") {
                setsockopt(
                    number, SOL_SOCKET, SO_ATTACH_FILTER, &program, socklen_t(MemoryLayout<sock_fprog>.size))
            }
        }
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        address.nl_groups = 1 << (RTNLGRP_NEIGH.rawValue - 1)
        try withUnsafeBytes(of: &address) { octets throws(SystemError) in
            _ = try systemCall("bind AF_NETLINK") {
                bind(number, octets.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(octets.count))
            }
        }
    }

    deinit { buffer.deallocate() }

    /// Readable when there are questions.
    public var descriptor: Int32 { socketDescriptor.rawValue }

    /// Takes the questions that wait, each once.
    public func receive() -> Set<TunnelMiss> {
        var misses: Set<TunnelMiss> = []
        for _ in 0..<Self.questionsMax {
            var datagram = clinux_netlink_datagram()
            let count = clinux_receive_netlink(descriptor, buffer.baseAddress, buffer.count, 0, &datagram)
            guard count >= 0 else {
                // Some were lost; those that matter are asked again.
                if errno == ENOBUFS { continue }
                break
            }
            guard datagram.source_port == 0, !datagram.truncated else { continue }
            MissReader.read(UnsafeRawBufferPointer(rebasing: buffer[..<count])) { misses.insert($0) }
        }
        return misses
    }
}

/// Reads the questions. Pure.
enum MissReader {
    /// Reads one datagram; what is cut short is left out.
    static func read(_ datagram: UnsafeRawBufferPointer, _ body: (TunnelMiss) -> Void) {
        var offset = 0
        while datagram.count - offset >= 28 {
            let length = Int(datagram.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            let type = Int(datagram.loadUnaligned(fromByteOffset: offset + 4, as: UInt16.self))
            guard length >= 28, length <= datagram.count - offset else { return }
            if type == RTM_GETNEIGH {
                let index = datagram.loadUnaligned(fromByteOffset: offset + 20, as: Int32.self)
                attributes(UnsafeRawBufferPointer(rebasing: datagram[(offset + 28)..<(offset + length)]), index, body)
            }
            offset += (length + 3) & ~3
        }
    }

    private static func attributes(
        _ octets: UnsafeRawBufferPointer, _ index: Int32, _ body: (TunnelMiss) -> Void
    ) {
        var offset = 0
        while octets.count - offset >= 4 {
            let length = Int(octets.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            let type = Int(octets.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self) & 0x3FFF)
            guard length >= 4, length <= octets.count - offset else { return }
            let value = Array(octets[(offset + 4)..<(offset + length)])
            if type == Int(NDA_DST), [4, 16].contains(value.count) { body(.neighbour(value, deviceIndex: index)) }
            if type == Int(NDA_LLADDR), value.count == 6 {
                let number = value.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                body(.box(of: HardwareAddress(number), deviceIndex: index))
            }
            offset += (length + 3) & ~3
        }
    }
}
