/// EtherTypes of the protocols spoken here.
public enum EtherType {
    /// LLDP, 802.1AB.
    public static let lldp: UInt16 = 0x88CC
    /// ECP, 802.1Q clause 43.
    public static let ecp: UInt16 = 0x8940
    /// ECP of the pre-standard draft.
    public static let draftECP: UInt16 = 0x88B7
}

/// An Ethernet frame of LLDP or ECP.
public struct Frame: Equatable, Sendable {
    public var destination: MACAddress
    public var source: MACAddress
    public var payload: Payload

    /// What a frame carries, named by its EtherType.
    public enum Payload: Equatable, Sendable {
        case lldp(LLDPDU)
        case ecp(ECPDU)
        /// ECP of the pre-standard draft.
        case draftECP(DraftECPDU)
    }

    /// The least length of an Ethernet frame without its check sequence, in octets.
    public static let lengthMin = 60
    /// Octets of the Ethernet header.
    public static let headerLength = 14

    /// Joins addresses and payload.
    public init(destination: MACAddress, source: MACAddress, payload: Payload) {
        self.destination = destination
        self.source = source
        self.payload = payload
    }

    /// Reads a frame without its check sequence.
    ///
    /// - Parameter octets: the frame from the destination address on; only read during the call.
    /// - Throws: the first thing in it that is wrong. The whole frame is then to be ignored.
    public init(decoding octets: UnsafeRawBufferPointer) throws(WireError) {
        var memory: [UInt8] = []
        try self.init(decoding: octets, reusing: &memory)
    }

    /// Reads a frame as ``init(decoding:)-(UnsafeRawBufferPointer)`` does, one of many: an ECPDU's payload gets memory that is there, which
    /// ``giveBack(_:)`` returns.
    public init(decoding octets: UnsafeRawBufferPointer, reusing memory: inout [UInt8]) throws(WireError) {
        var reader = ByteReader(octets)
        destination = try reader.macAddress(.ethernetHeader)
        source = try reader.macAddress(.ethernetHeader)
        let etherType = try reader.uint16(.ethernetHeader)
        switch etherType {
        case EtherType.lldp: payload = .lldp(try LLDPDU(from: &reader))
        case EtherType.ecp: payload = .ecp(try ECPDU(from: &reader, reusing: &memory))
        case EtherType.draftECP: payload = .draftECP(try DraftECPDU(from: &reader))
        default: throw .otherProtocol(etherType)
        }
    }

    /// Reads a frame held in an array; see ``init(decoding:)-(UnsafeRawBufferPointer)``.
    public init(decoding octets: [UInt8]) throws(WireError) {
        let result = octets.withUnsafeBytes { buffer -> Result<Frame, WireError> in
            Result { () throws(WireError) in try Frame(decoding: buffer) }
        }
        self = try result.get()
    }

    /// Returns the memory of an ECPDU's payload when the frame is not needed any more.
    public mutating func giveBack(_ memory: inout [UInt8]) {
        guard case .ecp(var ecpdu) = payload, ecpdu.payload.capacity > memory.capacity else { return }
        payload = .ecp(ECPDU(operation: ecpdu.operation, subtype: ecpdu.subtype, sequence: ecpdu.sequence))
        swap(&ecpdu.payload, &memory)
    }

    /// The frame's octets.
    ///
    /// - Parameter padded: whether zeros fill a short frame up to 60 octets, as most drivers do anyway.
    /// - Returns: everything from the destination address on, without the frame check sequence.
    public func encoded(padded: Bool = true) -> [UInt8] {
        var writer = ByteWriter(reserving: max(payload.expectedLength + Self.headerLength, padded ? Self.lengthMin : 0))
        write(to: &writer, padded: padded)
        return writer.octets
    }

    fileprivate func write(to writer: inout ByteWriter, padded: Bool) {
        writer.macAddress(destination)
        writer.macAddress(source)
        switch payload {
        case .lldp(let lldpdu):
            writer.uint16(EtherType.lldp)
            lldpdu.write(to: &writer)
        case .ecp(let ecpdu):
            writer.uint16(EtherType.ecp)
            ecpdu.write(to: &writer)
        case .draftECP(let ecpdu):
            writer.uint16(EtherType.draftECP)
            ecpdu.write(to: &writer)
        }
        if padded { writer.pad(to: Self.lengthMin) }
    }
}

/// Memory for the octets of one frame after the other.
public struct FrameBuffer {
    private var writer = ByteWriter()

    /// Has no memory before the first frame.
    public init() {}

    /// Writes a frame as ``Frame/encoded(padded:)`` does, in place of the one before, and looks at its octets.
    ///
    /// - Returns: what `body` returns.
    public mutating func write<Result>(_ frame: Frame, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        writer.restart(reserving: max(frame.payload.expectedLength + Frame.headerLength, Frame.lengthMin))
        frame.write(to: &writer, padded: true)
        return writer.withWritten(body)
    }
}

/// The Ethernet header of an untagged frame, whatever the frame carries and however broken the rest is.
public struct FrameHeader: Equatable, Sendable {
    public let destination: MACAddress
    public let source: MACAddress
    public let etherType: UInt16

    /// Joins addresses and EtherType.
    public init(destination: MACAddress, source: MACAddress, etherType: UInt16) {
        self.destination = destination
        self.source = source
        self.etherType = etherType
    }

    /// Reads the first 14 octets of a frame; nil where there are fewer.
    public init?(_ octets: UnsafeRawBufferPointer) {
        var reader = ByteReader(octets)
        guard let destination = try? reader.macAddress(.ethernetHeader),
            let source = try? reader.macAddress(.ethernetHeader), let etherType = try? reader.uint16(.ethernetHeader)
        else { return nil }
        self.init(destination: destination, source: source, etherType: etherType)
    }
}

extension Frame.Payload {
    /// Octets that it takes behind the Ethernet header, as far as that is told at once.
    fileprivate var expectedLength: Int {
        switch self {
        case .lldp: 114
        case .ecp(let ecpdu): ECPDU.headerLength + ecpdu.payload.count
        case .draftECP(let ecpdu): DraftECPDU.headerLength + ecpdu.payload.count
        }
    }
}

extension Frame {
    /// The frame's header.
    public var header: FrameHeader {
        let etherType =
            switch payload {
            case .lldp: EtherType.lldp
            case .ecp: EtherType.ecp
            case .draftECP: EtherType.draftECP
            }
        return FrameHeader(destination: destination, source: source, etherType: etherType)
    }
}
