// Messages and attributes of nfnetlink, written and read. Pure.

internal import LinuxSystem

/// Writes messages one behind the other. Lengths are filled in once what they count is there. The order of octets is
/// that of hosts that have the lowest first, as all have that evbd runs on.
struct NetfilterWriter {
    /// NLA_F_NESTED
    private static let nested: UInt16 = 0x8000
    /// NFNETLINK_V0
    private static let version: UInt8 = 0

    private(set) var octets: [UInt8] = []
    private var lastStart = 0

    /// Writes a message: struct nlmsghdr with port id 0, struct nfgenmsg, and what `body` writes.
    ///
    /// - Parameters:
    ///   - type: The subsystem in the high octet and the message in the low one, or a message of batches.
    ///   - flags: NLM_F_REQUEST and others.
    ///   - sequence: The number by which the kernel's answer is known.
    ///   - family: NFPROTO_BRIDGE and the like.
    ///   - resource: The subsystem that a batch is for.
    ///   - body: Writes the attributes.
    mutating func message(
        _ type: UInt16, flags: UInt16, sequence: UInt32 = 0, family: UInt8, resource: UInt16 = 0,
        _ body: (inout NetfilterWriter) -> Void = { _ in }
    ) {
        let start = octets.count
        lastStart = start
        append(UInt32(0))
        append(UInt32(flags) << 16 | UInt32(type))
        append(sequence)
        append(UInt32(0))
        octets += [family, Self.version, UInt8(resource >> 8), UInt8(resource & 0xFF)]
        body(&self)
        let length = UInt32(octets.count - start)
        withUnsafeBytes(of: length) { octets.replaceSubrange(start..<(start + 4), with: $0) }
    }

    /// Sets flags at the message that was written last.
    mutating func flagLast(_ flags: UInt16) {
        octets[lastStart + 6] |= UInt8(truncatingIfNeeded: flags)
        octets[lastStart + 7] |= UInt8(truncatingIfNeeded: flags >> 8)
    }

    /// Writes an attribute of some octets.
    mutating func attribute(_ type: UInt16, _ value: some Collection<UInt8>) {
        append(UInt32(type) << 16 | UInt32(UInt16(clamping: 4 + value.count)))
        octets += value
        pad()
    }

    /// Writes an address: six octets, and two behind them.
    mutating func attribute(_ type: UInt16, address: HardwareAddress) {
        append(UInt32(type) << 16 | 10)
        withUnsafeBytes(of: (address.value << 16).bigEndian) { octets += $0 }
    }

    /// Writes a text, which the kernel wants to end with an octet of zero.
    mutating func attribute(_ type: UInt16, text: String) {
        append(UInt32(type) << 16 | UInt32(UInt16(clamping: 4 + text.utf8.count + 1)))
        octets += text.utf8
        octets.append(0)
        pad()
    }

    /// Writes a number in network order.
    mutating func attribute(_ type: UInt16, number: some FixedWidthInteger) {
        attribute(type, withUnsafeBytes(of: number.bigEndian, Array.init))
    }

    /// Writes an attribute of attributes.
    mutating func nest(_ type: UInt16, _ body: (inout NetfilterWriter) -> Void) {
        let start = octets.count
        append(UInt32(type | Self.nested) << 16)
        body(&self)
        let length = UInt16(clamping: octets.count - start)
        withUnsafeBytes(of: length) { octets.replaceSubrange(start..<(start + 2), with: $0) }
    }

    private mutating func append(_ word: UInt32) { withUnsafeBytes(of: word) { octets += $0 } }

    private mutating func pad() { while octets.count % 4 != 0 { octets.append(0) } }
}

/// Reads the kernel's messages, which are of the form that `NetfilterWriter` writes. Never traps on what is not.
enum NetfilterReader {
    static let headerLength = 16
    /// struct nfgenmsg
    static let familyLength = 4

    /// A message: struct nlmsghdr without its length, and what follows it.
    struct Message {
        var type: UInt16
        var flags: UInt16
        var sequence: UInt32
        var payload: ArraySlice<UInt8>
    }

    /// Takes the first message of a datagram off it; nil where there is no whole one.
    static func next(_ rest: inout ArraySlice<UInt8>) -> Message? {
        guard rest.count >= headerLength else { return nil }
        let (length, type, flags, sequence) = rest.withUnsafeBytes {
            (
                Int($0.loadUnaligned(as: UInt32.self)),
                $0.loadUnaligned(fromByteOffset: 4, as: UInt16.self),
                $0.loadUnaligned(fromByteOffset: 6, as: UInt16.self),
                $0.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
            )
        }
        guard length >= headerLength, length <= rest.count else { return nil }
        let payload = rest.dropFirst(headerLength).prefix(length - headerLength)
        rest = rest.dropFirst(min((length + 3) & ~3, rest.count))
        return Message(type: type, flags: flags, sequence: sequence, payload: payload)
    }

    /// The code of an NLMSG_ERROR, a positive number of errno(3); 0 is an acknowledgement.
    static func code(ofError payload: ArraySlice<UInt8>, otherwise: Int32) -> Int32 {
        guard payload.count >= 4 else { return otherwise }
        let code = payload.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) }
        return code == .min ? otherwise : -code
    }

    static func value(_ wanted: UInt16, in attributes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var found: ArraySlice<UInt8>?
        forEach(in: attributes) { type, value in if type == wanted, found == nil { found = value } }
        return found
    }

    static func forEach(in attributes: ArraySlice<UInt8>, _ body: (UInt16, ArraySlice<UInt8>) -> Void) {
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
