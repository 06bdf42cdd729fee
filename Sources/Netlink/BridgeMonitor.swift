// Hears what bridges say of their ports: entries that go, and ports that join, leave or change. Owns one socket, whose filter
// keeps all else away: what a bridge learns and forgets of itself comes as fast as strangers send frames.

internal import CLinux
internal import CNetlink
internal import Glibc
public import LinuxSystem

/// An address that a bridge forwards to a port.
public struct BridgeEntry: Sendable, Hashable {
    public let address: HardwareAddress
    /// The VLAN, or 0 where the bridge tells none apart.
    public let vid: UInt16

    public init(address: HardwareAddress, vid: UInt16) {
        self.address = address
        self.vid = vid
    }
}

/// What a bridge has said of a port.
public enum BridgeEvent: Sendable, Equatable {
    /// A static entry is gone, whoever removed it.
    case entryRemoved(BridgeEntry, portIndex: Int32)
    /// A port has joined a bridge or left it, its VLANs or flags are others, or it has lost a VNI.
    case portChanged(index: Int32)
    /// News were lost because they came faster than they were read.
    case overrun
}

/// Hears of bridge ports and of static forwarding entries that are removed. Needs no privilege.
public final class BridgeMonitor {
    /// Octets of news that the kernel keeps, with their overhead.
    private static let receiveBufferLength: Int32 = 1 << 22
    /// Octets of the longest news: a port in every VLAN has some 16 KiB.
    private static let datagramLengthMax = 1 << 16
    /// Datagrams taken at a time, so that others have their turn.
    private static let datagramsMax = 256

    private let socketDescriptor: FileDescriptor
    private let memory = ReceiveBuffer(length: datagramLengthMax)
    private var buffer: UnsafeMutableRawBufferPointer { memory.octets }

    /// Begins to listen.
    ///
    /// - Throws: `SystemError`.
    public init() throws(SystemError) {
        let type = Int32(SOCK_RAW.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let number = try systemCall("socket AF_NETLINK") { socket(AF_NETLINK, type, NETLINK_ROUTE) }
        socketDescriptor = FileDescriptor(owning: number)
        // Before binding: nothing else is to come.
        var filter = Self.filter
        try filter.withUnsafeMutableBufferPointer { instructions throws(SystemError) in
            var program = sock_fprog(len: UInt16(instructions.count), filter: instructions.baseAddress)
            _ = try systemCall("setsockopt SO_ATTACH_FILTER") {
                setsockopt(
                    number, SOL_SOCKET, SO_ATTACH_FILTER, &program, socklen_t(MemoryLayout<sock_fprog>.size))
            }
        }
        var length = Self.receiveBufferLength
        setsockopt(number, SOL_SOCKET, SO_RCVBUFFORCE, &length, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        address.nl_groups = 1 << (RTNLGRP_LINK.rawValue - 1) | 1 << (RTNLGRP_NEIGH.rawValue - 1)
        try withUnsafeBytes(of: &address) { octets throws(SystemError) in
            _ = try systemCall("bind AF_NETLINK") {
                bind(number, octets.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(octets.count))
            }
        }
        // Its number is beyond the 32 of the address. A kernel before Linux 5.18 has no such group, and no VNIs to tell of.
        var group = Self.tunnelGroup
        setsockopt(
            number, Int32(clinux_sol_netlink), NETLINK_ADD_MEMBERSHIP, &group, socklen_t(MemoryLayout<Int32>.size))
    }

    /// RTNLGRP_TUNNEL, which older headers do not have.
    private static let tunnelGroup: Int32 = 35

    /// Readable when there are news.
    public var descriptor: Int32 { socketDescriptor.rawValue }

    /// Takes the news that wait.
    ///
    /// - Parameter body: Called with each, in the order of the kernel.
    public func receive(_ body: (BridgeEvent) -> Void) {
        var isOverrun = false
        var taken = 0
        while taken < Self.datagramsMax || isOverrun {
            taken += 1
            var datagram = clinux_netlink_datagram()
            let count = clinux_receive_netlink(descriptor, buffer.baseAddress, buffer.count, 0, &datagram)
            guard count >= 0 else {
                guard errno == ENOBUFS else { break }
                isOverrun = true
                continue
            }
            // A process could send to the group too.
            guard datagram.source_port == 0 else { continue }
            guard !datagram.truncated else {
                isOverrun = true
                continue
            }
            BridgeNewsReader.read(UnsafeRawBufferPointer(rebasing: buffer[..<count]), body)
        }
        if isOverrun { body(.overrun) }
    }

    /// Keeps messages of bridges about ports (RTM_NEWLINK, RTM_DELLINK), about static entries that go (RTM_DELNEIGH), and about VNIs that
    /// VXLAN devices lose (RTM_DELTUNNEL).
    private static let filter: [sock_filter] = {
        func load(_ size: Int32, _ offset: UInt32) -> sock_filter {
            sock_filter(code: UInt16(BPF_LD | size | BPF_ABS), jt: 0, jf: 0, k: offset)
        }
        func ifEqual(_ value: UInt32, skip: UInt8, otherwise: UInt8) -> sock_filter {
            sock_filter(code: UInt16(BPF_JMP | BPF_JEQ | BPF_K), jt: skip, jf: otherwise, k: value)
        }
        func end(_ length: UInt32) -> sock_filter {
            sock_filter(code: UInt16(BPF_RET | BPF_K), jt: 0, jf: 0, k: length)
        }
        // The filter loads in network byte order, and netlink has the host's.
        func number(_ value: Int) -> UInt32 { UInt32(UInt16(truncatingIfNeeded: value).bigEndian) }
        return [
            // The family, behind struct nlmsghdr in both kinds of message.
            load(BPF_B, 16),
            ifEqual(UInt32(AF_BRIDGE), skip: 0, otherwise: 7),
            load(BPF_H, 4),
            ifEqual(number(RTM_NEWLINK), skip: 6, otherwise: 0),
            ifEqual(number(RTM_DELLINK), skip: 5, otherwise: 0),
            ifEqual(number(TunnelMessage.delete), skip: 4, otherwise: 0),
            ifEqual(number(RTM_DELNEIGH), skip: 0, otherwise: 2),
            // struct ndmsg's state: what was learned has another. Entries of VXLAN devices have further bits beside.
            load(BPF_H, 24),
            sock_filter(
                code: UInt16(BPF_JMP | BPF_JSET | BPF_K), jt: 1, jf: 0, k: number(Int(NUD_NOARP))),
            end(0),
            end(.max),
        ]
    }()
}

/// Reads what bridges say. Pure.
enum BridgeNewsReader {
    private static let headerLength = 16
    private static let linkLength = 16
    private static let entryLength = 12

    /// Reads one datagram; what is cut short is left out.
    static func read(_ datagram: UnsafeRawBufferPointer, _ body: (BridgeEvent) -> Void) {
        var offset = 0
        while datagram.count - offset >= headerLength {
            let length = Int(datagram.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            let type = Int(datagram.loadUnaligned(fromByteOffset: offset + 4, as: UInt16.self))
            guard length >= headerLength, length <= datagram.count - offset else { return }
            let payload = UnsafeRawBufferPointer(rebasing: datagram[(offset + headerLength)..<(offset + length)])
            if let event = event(type, payload) { body(event) }
            offset += (length + 3) & ~3
        }
    }

    private static func event(_ type: Int, _ payload: UnsafeRawBufferPointer) -> BridgeEvent? {
        guard payload.count >= entryLength, payload[0] == UInt8(AF_BRIDGE) else { return nil }
        let index = payload.loadUnaligned(fromByteOffset: 4, as: Int32.self)
        switch type {
        case RTM_NEWLINK, RTM_DELLINK: return payload.count >= linkLength ? .portChanged(index: index) : nil
        case TunnelMessage.delete: return .portChanged(index: index)
        case RTM_DELNEIGH:
            let attributes = UnsafeRawBufferPointer(rebasing: payload[entryLength...])
            guard let entry = entry(attributes) else { return nil }
            return .entryRemoved(entry, portIndex: index)
        default: return nil
        }
    }

    private static func entry(_ attributes: UnsafeRawBufferPointer) -> BridgeEntry? {
        var address: HardwareAddress?
        var vid: UInt16 = 0
        var offset = 0
        while attributes.count - offset >= 4 {
            let length = Int(attributes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            let type = Int(attributes.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self) & 0x3FFF)
            guard length >= 4, length <= attributes.count - offset else { return nil }
            let value = UnsafeRawBufferPointer(rebasing: attributes[(offset + 4)..<(offset + length)])
            if type == Int(NDA_LLADDR), value.count == 6 { address = HardwareAddress(octets: Array(value)) }
            if type == Int(NDA_VLAN), value.count >= 2 { vid = value.loadUnaligned(as: UInt16.self) }
            offset += (length + 3) & ~3
        }
        return address.map { BridgeEntry(address: $0, vid: vid) }
    }
}
