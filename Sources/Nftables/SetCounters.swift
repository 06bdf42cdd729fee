// What the kernel has counted at the elements of a set and in a named counter, by netlink: libnftables takes a third of a second to list
// what the kernel tells in some milliseconds.

internal import CLinux
internal import Glibc
public import LinuxSystem

/// Frames and octets as nftables counts them: at a bridge, without the Ethernet header and an outer tag.
public struct FrameCounts: Sendable, Equatable {
    public var frames: UInt64
    public var octets: UInt64

    /// Makes counts.
    public init(frames: UInt64 = 0, octets: UInt64 = 0) {
        self.frames = frames
        self.octets = octets
    }
}

/// Reads counters of one table of the family bridge. Owns a socket; for one thread, which waits for the kernel.
public final class CounterReader {
    /// How long the kernel may take for its next answer, in seconds.
    private static let patience = 5
    /// How often a list is read that other changes have torn.
    private static let attemptsMax = 5
    private static let bufferLength = 64 << 10

    private let descriptor: FileDescriptor
    private let table: String
    private var buffer = [UInt8](repeating: 0, count: bufferLength)

    /// Opens the socket, in the network namespace of this thread.
    ///
    /// - Throws: `SystemError`.
    public init(table: String) throws(SystemError) {
        self.table = table
        let type = Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue)
        // NETLINK_NETFILTER
        let number = try systemCall("socket NETLINK_NETFILTER") { socket(AF_NETLINK, type, 12) }
        descriptor = FileDescriptor(owning: number)
        var time = timeval(tv_sec: Self.patience, tv_usec: 0)
        try systemCall("setsockopt SO_RCVTIMEO") {
            setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    /// Reads a set whose elements count.
    ///
    /// - Returns: The counts by the octets of each element's key.
    /// - Throws: `SystemError`: ENOENT where there is no such set.
    public func elements(of set: String) throws(SystemError) -> [[UInt8]: FrameCounts] {
        for _ in 1..<Self.attemptsMax {
            do throws(SystemError) {
                return try list(set)
            } catch {
                // The set changed while it was being read.
                guard error.code == EINTR else { throw error }
            }
        }
        return try list(set)
    }

    private func list(_ set: String) throws(SystemError) -> [[UInt8]: FrameCounts] {
        var reading = CounterReading()
        try ask(CounterReading.request(elementsOf: set, table: table), &reading)
        return reading.elements
    }

    /// Reads a counter that has a name.
    ///
    /// - Throws: `SystemError`: ENOENT where there is none.
    public func counter(_ name: String) throws(SystemError) -> FrameCounts? {
        var reading = CounterReading()
        try ask(CounterReading.request(counter: name, table: table), &reading)
        return reading.counter
    }

    private func ask(_ request: [UInt8], _ reading: inout CounterReading) throws(SystemError) {
        let number = descriptor.rawValue
        try systemCall("send NETLINK_NETFILTER") { send(number, request, request.count, 0) }
        var isDone = false
        while !isDone {
            let count = try systemCall("recv NETLINK_NETFILTER") {
                buffer.withUnsafeMutableBytes { recv(number, $0.baseAddress, $0.count, 0) }
            }
            isDone = try reading.take(buffer[..<count])
        }
        if reading.isTorn { throw SystemError(call: "NFT_MSG_GETSETELEM", code: EINTR) }
    }
}

/// Reads the kernel's answers. Pure.
struct CounterReading {
    /// NFNL_SUBSYS_NFTABLES with the messages GETSETELEM, NEWSETELEM, GETOBJ and NEWOBJ.
    private static let (getElements, newElements): (UInt16, UInt16) = (0x0A0D, 0x0A0C)
    private static let (getObject, newObject): (UInt16, UInt16) = (0x0A13, 0x0A12)
    /// NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP and, of an answer, NLM_F_DUMP_INTR.
    private static let (requestFlag, acknowledgeFlag, dumpFlags): (UInt16, UInt16, UInt16) = (1, 4, 0x300)
    private static let tornFlag: UInt16 = 0x10
    /// NLMSG_ERROR and NLMSG_DONE
    private static let (errorMessage, endMessage): (UInt16, UInt16) = (2, 3)
    /// NFPROTO_BRIDGE
    private static let family: UInt8 = 7
    /// NFT_OBJECT_COUNTER
    private static let counterType: UInt8 = 1
    private static let headerLength = 16
    /// struct nfgenmsg
    private static let familyLength = 4

    var elements: [[UInt8]: FrameCounts] = [:]
    var counter: FrameCounts?
    /// What was listed changed meanwhile.
    var isTorn = false

    /// The request for a set's elements: NFTA_SET_ELEM_LIST_TABLE and _SET.
    static func request(elementsOf set: String, table: String) -> [UInt8] {
        message(getElements, flags: requestFlag | dumpFlags, attribute(1, table) + attribute(2, set))
    }

    /// The request for a counter: NFTA_OBJ_TABLE, _NAME and _TYPE.
    static func request(counter: String, table: String) -> [UInt8] {
        let type: [UInt8] = [8, 0, 3, 0, 0, 0, 0, counterType]
        return message(
            getObject, flags: requestFlag | acknowledgeFlag, attribute(1, table) + attribute(2, counter) + type)
    }

    private static func message(_ type: UInt16, flags: UInt16, _ attributes: [UInt8]) -> [UInt8] {
        let length = UInt32(headerLength + familyLength + attributes.count)
        // Number and port id are 0.
        let header = [length, UInt32(flags) << 16 | UInt32(type), 0, 0].withUnsafeBytes(Array.init)
        return header + [family, 0, 0, 0] + attributes
    }

    private static func attribute(_ type: UInt16, _ text: String) -> [UInt8] {
        let length = UInt16(clamping: 4 + text.utf8.count + 1)
        let head = [length, type].withUnsafeBytes(Array.init)
        let padding = (4 - Int(length) % 4) % 4
        return head + Array(text.utf8) + [0] + [UInt8](repeating: 0, count: padding)
    }

    /// Takes one datagram; true at the end of the answer.
    mutating func take(_ octets: ArraySlice<UInt8>) throws(SystemError) -> Bool {
        var rest = octets
        while rest.count >= Self.headerLength {
            let (length, type, flags) = rest.withUnsafeBytes {
                (
                    Int($0.loadUnaligned(as: UInt32.self)),
                    $0.loadUnaligned(fromByteOffset: 4, as: UInt16.self),
                    $0.loadUnaligned(fromByteOffset: 6, as: UInt16.self)
                )
            }
            guard length >= Self.headerLength, length <= rest.count else { return true }
            let payload = rest.dropFirst(Self.headerLength).prefix(length - Self.headerLength)
            if flags & Self.tornFlag != 0 { isTorn = true }
            switch type {
            case Self.endMessage: return true
            case Self.errorMessage:
                let code = payload.count >= 4 ? payload.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) } : -EIO
                guard code != 0 else { return true }
                throw SystemError(call: "NETLINK_NETFILTER", code: code == .min ? EIO : -code)
            case Self.newElements: takeElements(payload.dropFirst(Self.familyLength))
            case Self.newObject:
                // NFTA_OBJ_DATA
                counter = Self.value(4, in: payload.dropFirst(Self.familyLength)).flatMap { Self.counts($0) } ?? counter
            default: break
            }
            rest = rest.dropFirst(min((length + 3) & ~3, rest.count))
        }
        return false
    }

    /// NFTA_SET_ELEM_LIST_ELEMENTS with an NFTA_LIST_ELEM for each element, which has NFTA_SET_ELEM_KEY and NFTA_SET_ELEM_EXPR.
    private mutating func takeElements(_ attributes: ArraySlice<UInt8>) {
        guard let list = Self.value(3, in: attributes) else { return }
        Self.forEach(in: list) { type, element in
            // NFTA_DATA_VALUE; NFTA_EXPR_DATA of the one expression that evbd's sets have.
            guard type == 1, let key = Self.value(1, in: element).flatMap({ Self.value(1, in: $0) }) else { return }
            let expression = Self.value(7, in: element).flatMap { Self.value(2, in: $0) }
            elements[Array(key)] = expression.flatMap { Self.counts($0) } ?? FrameCounts()
        }
    }

    /// NFTA_COUNTER_BYTES and NFTA_COUNTER_PACKETS.
    private static func counts(_ attributes: ArraySlice<UInt8>) -> FrameCounts? {
        guard let octets = value(1, in: attributes).flatMap(number),
            let frames = value(2, in: attributes).flatMap(number)
        else { return nil }
        return FrameCounts(frames: frames, octets: octets)
    }

    private static func number(_ octets: ArraySlice<UInt8>) -> UInt64? {
        guard octets.count == 8 else { return nil }
        return octets.reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func value(_ wanted: UInt16, in attributes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var found: ArraySlice<UInt8>?
        forEach(in: attributes) { type, value in if type == wanted, found == nil { found = value } }
        return found
    }

    private static func forEach(in attributes: ArraySlice<UInt8>, _ body: (UInt16, ArraySlice<UInt8>) -> Void) {
        var rest = attributes
        while rest.count >= 4 {
            let (length, type) = rest.withUnsafeBytes {
                (
                    Int($0.loadUnaligned(as: UInt16.self)),
                    $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self) & 0x3FFF
                )
            }
            guard length >= 4, length <= rest.count else { return }
            body(type, rest.dropFirst(4).prefix(length - 4))
            rest = rest.dropFirst(min((length + 3) & ~3, rest.count))
        }
    }
}
