// Tells when another process removes something from a table of nftables: `nft flush ruleset`, which is what a reload of
// a host's firewall does, or `nft flush table`.

internal import CLinux
internal import Glibc
internal import LinuxSystem

/// Listens to what nftables tells of its changes.
public final class TableMonitor {
    /// NFNLGRP_NFTABLES.
    private static let group: UInt32 = 7
    /// Datagrams taken at a time, so that others have their turn.
    private static let datagramsMax = 64
    private static let bufferLength = 1 << 16
    /// Octets of news that the kernel keeps: those of some thousand addresses that one transaction adds.
    private static let receiveBufferLength: Int32 = 1 << 22

    private var socketDescriptor: FileDescriptor?
    private let memory = ReceiveBuffer(length: bufferLength)
    private var buffer: UnsafeMutableRawBufferPointer { memory.octets }
    private var reader: TableNewsReader

    /// Begins to listen.
    ///
    /// - Parameters:
    ///   - table: The name of the tables that lose something; nil listens for the deletion of any table.
    ///   - thread: The name of the thread whose own changes to these tables are no news.
    /// - Throws: `SystemError`, where the kernel has no nftables, say.
    public init(table: String? = nil, exceptBy thread: String? = nil) throws {
        reader = TableNewsReader(table: table, thread: thread)
        let type = Int32(SOCK_RAW.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        // NETLINK_NETFILTER
        let number = try systemCall("socket AF_NETLINK") { socket(AF_NETLINK, type, 12) }
        descriptor = number
        socketDescriptor = FileDescriptor(owning: number)
        // Where that is too much, an overrun is heard of.
        var length = Self.receiveBufferLength
        setsockopt(number, SOL_SOCKET, SO_RCVBUFFORCE, &length, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        address.nl_groups = 1 << (Self.group - 1)
        _ = try withUnsafeBytes(of: &address) { octets in
            try systemCall("bind AF_NETLINK") {
                bind(number, octets.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(octets.count))
            }
        }
    }

    deinit {
        // Linux lets the close of such a socket wait until rules that anyone has removed are freed, which has taken 38 s.
        socketDescriptor.take()?.closeApart()
    }

    /// Gives the chains, once, from which another process has removed rules as far as that was told; the names without tables.
    public func takeLostChains() -> Set<String> { reader.takeLostChains() }

    /// Readable when there is something to take in.
    public let descriptor: Int32

    /// Takes in what has been told.
    ///
    /// - Returns: Whether something may be gone: something is, or news has been lost.
    public func drain() -> Bool {
        var isAnyGone = false
        var isOverrun = false
        var taken = 0
        // After an overrun the kernel tells nothing more, nor that it does not, before all that waits is taken.
        while taken < Self.datagramsMax || isOverrun {
            taken += 1
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            guard count >= 0 else {
                guard errno == ENOBUFS else { break }
                isAnyGone = true
                isOverrun = true
                continue
            }
            isAnyGone = reader.take(UnsafeRawBufferPointer(rebasing: buffer[..<count])) || isAnyGone
        }
        return isAnyGone
    }
}

/// Reads what the kernel tells of changes to tables. Pure.
struct TableNewsReader {
    /// NFNL_SUBSYS_NFTABLES, and NFT_MSG_DELTABLE, DELCHAIN, DELRULE, DELSET and DELSETELEM in it.
    private static let subsystem: UInt16 = 10
    private static let removals: Set<UInt16> = [tableRemoval, 5, 8, 11, 14]
    private static let tableRemoval: UInt16 = 2
    /// NFT_MSG_NEWGEN, which ends a transaction and says whose it was.
    private static let generation: UInt16 = 15
    /// The name of a table in each of the removals (NFTA_TABLE_NAME and its like), and NFTA_GEN_PROC_NAME.
    private static let tableAttribute: UInt16 = 1
    private static let processNameAttribute: UInt16 = 3
    /// NFT_MSG_DELRULE, and the name of the chain in it (NFTA_RULE_CHAIN).
    private static let ruleRemoval: UInt16 = 8
    private static let chainAttribute: UInt16 = 2
    /// Names that are kept. Where more chains lose rules, the count of those shows it.
    private static let chainsMax = 4096
    /// struct nlmsghdr and struct nfgenmsg.
    private static let headerLength = 16
    private static let familyLength = 4

    let table: String?
    let thread: String?
    /// The transaction that is being told of has removed something.
    private var hasRemoval = false
    /// The chains from which it has removed rules.
    private var chains: Set<String> = []
    private var lostChains: Set<String> = []

    init(table: String?, thread: String?) {
        self.table = table
        self.thread = thread
    }

    /// Takes one datagram.
    ///
    /// - Returns: Whether a transaction of another process that removes something ends in it.
    mutating func take(_ datagram: UnsafeRawBufferPointer) -> Bool {
        var isAnyGone = false
        var offset = 0
        while datagram.count - offset >= Self.headerLength {
            let length = Int(datagram.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            let type = datagram.loadUnaligned(fromByteOffset: offset + 4, as: UInt16.self)
            guard length >= Self.headerLength, length <= datagram.count - offset else { break }
            let start = min(offset + Self.headerLength + Self.familyLength, offset + length)
            let attributes = UnsafeRawBufferPointer(rebasing: datagram[start..<(offset + length)])
            if type >> 8 == Self.subsystem { isAnyGone = take(type & 0xFF, attributes) || isAnyGone }
            offset += (length + 3) & ~3
        }
        return isAnyGone
    }

    private mutating func take(_ type: UInt16, _ attributes: UnsafeRawBufferPointer) -> Bool {
        guard let table else { return type == Self.tableRemoval }
        if Self.removals.contains(type) {
            guard Self.string(Self.tableAttribute, in: attributes) == table else { return false }
            hasRemoval = true
            if type == Self.ruleRemoval, chains.count < Self.chainsMax,
                let chain = Self.string(Self.chainAttribute, in: attributes)
            {
                chains.insert(chain)
            }
            return false
        }
        guard type == Self.generation else { return false }
        defer { (hasRemoval, chains) = (false, []) }
        guard hasRemoval, Self.string(Self.processNameAttribute, in: attributes) != thread else { return false }
        if lostChains.count < Self.chainsMax { lostChains.formUnion(chains) }
        return true
    }

    mutating func takeLostChains() -> Set<String> {
        defer { lostChains = [] }
        return lostChains
    }

    private static func string(_ type: UInt16, in attributes: UnsafeRawBufferPointer) -> String? {
        var offset = 0
        while attributes.count - offset >= 4 {
            let length = Int(attributes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            let found = attributes.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self) & 0x3FFF
            guard length >= 4, length <= attributes.count - offset else { return nil }
            if found == type {
                let octets = attributes[(offset + 4)..<(offset + length)]
                return String(decoding: octets.prefix { $0 != 0 }, as: UTF8.self)
            }
            offset += (length + 3) & ~3
        }
        return nil
    }
}
