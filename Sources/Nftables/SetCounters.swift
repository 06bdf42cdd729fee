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
    private let buffer = ReceiveBuffer(length: bufferLength)

    /// Opens the socket, in the network namespace of this thread.
    ///
    /// - Throws: `SystemError`.
    public init(table: String) throws(SystemError) {
        self.table = table
        descriptor = try .netfilter(patience: Self.patience)
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
                recv(number, buffer.octets.baseAddress, buffer.octets.count, 0)
            }
            isDone = try reading.take([UInt8](buffer.octets[..<count])[...])
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
    private static let counterType: UInt32 = 1

    var elements: [[UInt8]: FrameCounts] = [:]
    var counter: FrameCounts?
    /// What was listed changed meanwhile.
    var isTorn = false

    /// The request for a set's elements: NFTA_SET_ELEM_LIST_TABLE and _SET.
    static func request(elementsOf set: String, table: String) -> [UInt8] {
        message(getElements, flags: requestFlag | dumpFlags) { writer in
            writer.attribute(1, text: table)
            writer.attribute(2, text: set)
        }
    }

    /// The request for a counter: NFTA_OBJ_TABLE, _NAME and _TYPE.
    static func request(counter: String, table: String) -> [UInt8] {
        message(getObject, flags: requestFlag | acknowledgeFlag) { writer in
            writer.attribute(1, text: table)
            writer.attribute(2, text: counter)
            writer.attribute(3, number: counterType)
        }
    }

    private static func message(
        _ type: UInt16, flags: UInt16, _ body: (inout NetfilterWriter) -> Void
    ) -> [UInt8] {
        var writer = NetfilterWriter()
        writer.message(type, flags: flags, family: family, body)
        return writer.octets
    }

    /// Takes one datagram; true at the end of the answer.
    mutating func take(_ octets: ArraySlice<UInt8>) throws(SystemError) -> Bool {
        var rest = octets
        while let message = NetfilterReader.next(&rest) {
            if message.flags & Self.tornFlag != 0 { isTorn = true }
            switch message.type {
            case Self.endMessage: return true
            case Self.errorMessage:
                let code = NetfilterReader.code(ofError: message.payload, otherwise: EIO)
                guard code != 0 else { return true }
                throw SystemError(call: "NETLINK_NETFILTER", code: code)
            case Self.newElements: takeElements(message.payload.dropFirst(NetfilterReader.familyLength))
            case Self.newObject:
                // NFTA_OBJ_DATA
                let attributes = message.payload.dropFirst(NetfilterReader.familyLength)
                counter = NetfilterReader.value(4, in: attributes).flatMap { Self.counts($0) } ?? counter
            default: break
            }
        }
        // A message whose length is a lie: nothing more of this answer can be read.
        return rest.count >= NetfilterReader.headerLength
    }

    /// NFTA_SET_ELEM_LIST_ELEMENTS with an NFTA_LIST_ELEM for each element, which has NFTA_SET_ELEM_KEY and NFTA_SET_ELEM_EXPR.
    private mutating func takeElements(_ attributes: ArraySlice<UInt8>) {
        guard let list = NetfilterReader.value(3, in: attributes) else { return }
        NetfilterReader.forEach(in: list) { type, element in
            // NFTA_DATA_VALUE; NFTA_EXPR_DATA of the one expression that evbd's sets have.
            guard type == 1,
                let key = NetfilterReader.value(1, in: element).flatMap({ NetfilterReader.value(1, in: $0) })
            else { return }
            let expression = NetfilterReader.value(7, in: element).flatMap { NetfilterReader.value(2, in: $0) }
            elements[Array(key)] = expression.flatMap { Self.counts($0) } ?? FrameCounts()
        }
    }

    /// NFTA_COUNTER_BYTES and NFTA_COUNTER_PACKETS.
    private static func counts(_ attributes: ArraySlice<UInt8>) -> FrameCounts? {
        guard let octets = NetfilterReader.value(1, in: attributes).flatMap(number),
            let frames = NetfilterReader.value(2, in: attributes).flatMap(number)
        else { return nil }
        return FrameCounts(frames: frames, octets: octets)
    }

    private static func number(_ octets: ArraySlice<UInt8>) -> UInt64? {
        guard octets.count == 8 else { return nil }
        return octets.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
