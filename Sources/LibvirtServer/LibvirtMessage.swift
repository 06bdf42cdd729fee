internal import EVBModel
internal import EVBWire
internal import Glibc
internal import TerminalText

/// The numbers of `linux/if_link.h` and `linux/rtnetlink.h` that libvirt and evbd say to each other.
enum RTNetlink {
    static let messageNoop: UInt16 = 1
    static let messageError: UInt16 = 2
    static let messageDone: UInt16 = 3
    static let getLink: UInt16 = 18
    static let setLink: UInt16 = 19
    static let headerLength = 16

    static let interfaceName: UInt16 = 3
    static let vfInfoList: UInt16 = 22
    static let vfInfo: UInt16 = 1
    static let vfMAC: UInt16 = 1
    static let vfVLAN: UInt16 = 2
    static let vfPorts: UInt16 = 24
    static let vfPort: UInt16 = 1
    static let portVF: UInt16 = 1
    static let portVSIType: UInt16 = 3
    static let portInstanceUUID: UInt16 = 4
    static let portRequest: UInt16 = 6
    static let portResponse: UInt16 = 7
    /// PORT_SELF_VF: the VSI is no virtual function.
    static let selfVF = UInt32.max
    static let nested: UInt16 = 0x8000
}

/// The header of a netlink message.
struct NetlinkHeader: Equatable {
    /// Octets that the sender says the message has.
    var length: UInt32 = 0
    var type: UInt16 = 0
    var flags: UInt16 = 0
    var sequence: UInt32 = 0
    /// What the sender says its port is. libvirt puts the port of the socket there on which it waits for events.
    var port: UInt32 = 0

    init() {}

    /// Reads a header; what a short one leaves out is zero.
    init(_ octets: [UInt8]) {
        let missing = RTNetlink.headerLength - octets.count
        var reader = NetlinkReader(missing > 0 ? octets + [UInt8](repeating: 0, count: missing) : octets)
        length = reader.integer(UInt32.self) ?? 0
        type = reader.integer(UInt16.self) ?? 0
        flags = reader.integer(UInt16.self) ?? 0
        sequence = reader.integer(UInt32.self) ?? 0
        port = reader.integer(UInt32.self) ?? 0
    }
}

/// A request of libvirt (virnetdevvportprofile's messages, 802.1Qbg).
struct LibvirtRequest: Equatable {
    var header: NetlinkHeader
    var interfaceIndex: Int32
    var interfaceName: String?
    var body: Body

    enum Body: Equatable {
        /// RTM_GETLINK: how do the VSIs of the port stand?
        case poll
        /// RTM_SETLINK with IFLA_VF_PORTS: bind or release a VSI.
        case profile(PortProfile)
    }

    /// A VSI as a port profile gives it.
    struct PortProfile: Equatable {
        var macAddress: MACAddress?
        /// The VLAN; 0 asks the bridge for one.
        var vlan: UInt16
        /// The priority, 0 for none.
        var priority: UInt8
        var managerID: UInt8
        var typeID: UInt32
        var typeVersion: UInt8
        var instance: VSIID
        var operation: Operation
    }

    /// PORT_REQUEST_*.
    enum Operation: UInt8, Equatable {
        case preAssociate = 0
        case preAssociateWithReservation = 1
        case associate = 2
        case disassociate = 3
    }

    /// Why a message is refused, as an errno.
    struct Refusal: Error, Equatable {
        package let code: Int32
        package let problem: String
    }

    /// Reads one datagram.
    ///
    /// - Throws: what is wrong with it; the sender is to be answered with the code.
    init(_ octets: [UInt8]) throws(Refusal) {
        header = NetlinkHeader(octets)
        guard octets.count >= RTNetlink.headerLength, Int(header.length) >= RTNetlink.headerLength,
            Int(header.length) <= octets.count
        else { throw Refusal(code: EINVAL, problem: "the message is shorter than its length field says") }
        guard header.type == RTNetlink.setLink || header.type == RTNetlink.getLink else {
            throw Refusal(code: EOPNOTSUPP, problem: "message type \(header.type) is not supported")
        }
        var reader = NetlinkReader(Array(octets[RTNetlink.headerLength..<Int(header.length)]))
        // struct ifinfomsg: family, pad, type, index, flags, change.
        guard reader.bytes(4) != nil, let index = reader.integer(UInt32.self), reader.bytes(8) != nil else {
            throw Refusal(code: EINVAL, problem: "struct ifinfomsg is truncated")
        }
        interfaceIndex = Int32(bitPattern: index)
        var attributes = Attributes()
        do {
            try attributes.read(&reader)
        } catch {
            throw Refusal(code: EINVAL, problem: "an attribute has a wrong length")
        }
        if attributes.hasName {
            let name = attributes.interfaceName
            if let problem = name.map({ InterfaceName.problem(with: $0) }) ?? "is no UTF-8" {
                let shown = name.map { "\"\(printable($0, longest: 32))\"" } ?? "the name"
                throw Refusal(
                    code: EINVAL, problem: "\(shown) is not an interface name: it \(problem); \(InterfaceName.rule)")
            }
        }
        interfaceName = attributes.interfaceName
        body = header.type == RTNetlink.getLink ? .poll : .profile(try attributes.profile())
    }

    /// What the attributes of a message hold; of repeated ones the last counts.
    private struct Attributes {
        /// Whether there is a name, readable or not.
        var hasName = false
        var interfaceName: String?
        var macAddress: MACAddress?
        var vlan: (vlan: UInt32, priority: UInt32)?
        var vsiType: (manager: UInt8, type: UInt32, version: UInt8)?
        var instance: VSIID?
        var operation: UInt8?

        mutating func read(_ reader: inout NetlinkReader) throws(MalformedAttributes) {
            while let (type, payload) = try reader.attribute() {
                var payload = payload
                switch type {
                case RTNetlink.interfaceName:
                    hasName = true
                    interfaceName = payload.text
                case RTNetlink.vfInfoList:
                    while let (inner, info) = try payload.attribute() {
                        var info = info
                        if inner == RTNetlink.vfInfo { try readInfo(&info) }
                    }
                case RTNetlink.vfPorts:
                    while let (inner, port) = try payload.attribute() {
                        var port = port
                        if inner == RTNetlink.vfPort { try readPort(&port) }
                    }
                default: break
                }
            }
        }

        private mutating func readInfo(_ reader: inout NetlinkReader) throws(MalformedAttributes) {
            while let (type, payload) = try reader.attribute() {
                var payload = payload
                switch type {
                case RTNetlink.vfMAC:
                    guard payload.remaining == 36, payload.bytes(4) != nil, let octets = payload.bytes(6) else {
                        throw MalformedAttributes()
                    }
                    macAddress = MACAddress(octets: octets)
                case RTNetlink.vfVLAN:
                    guard payload.remaining == 12, payload.bytes(4) != nil, let vlan = payload.integer(UInt32.self),
                        let priority = payload.integer(UInt32.self)
                    else { throw MalformedAttributes() }
                    self.vlan = (vlan, priority)
                default: break
                }
            }
        }

        private mutating func readPort(_ reader: inout NetlinkReader) throws(MalformedAttributes) {
            while let (type, payload) = try reader.attribute() {
                var payload = payload
                switch type {
                case RTNetlink.portVSIType:
                    // struct ifla_port_vsi: manager, type in three octets from the low one on, version, pad.
                    guard payload.remaining == 8, let manager = payload.integer(UInt8.self),
                        let low = payload.integer(UInt16.self), let high = payload.integer(UInt8.self),
                        let version = payload.integer(UInt8.self)
                    else { throw MalformedAttributes() }
                    vsiType = (manager, UInt32(UInt16(littleEndian: low)) | UInt32(high) << 16, version)
                case RTNetlink.portInstanceUUID:
                    guard payload.remaining == 16, let octets = payload.bytes(16) else { throw MalformedAttributes() }
                    instance = VSIID(format: .uuid, octets: octets)
                case RTNetlink.portRequest:
                    // lldpad writes two octets here; the low one comes first.
                    guard let code = payload.integer(UInt8.self) else { throw MalformedAttributes() }
                    operation = code
                default: break
                }
            }
        }

        func profile() throws(Refusal) -> PortProfile {
            guard let vsiType, let instance, let code = operation else {
                throw Refusal(code: EINVAL, problem: "VSI type, instance or request is missing")
            }
            guard let operation = Operation(rawValue: code) else {
                throw Refusal(code: EINVAL, problem: "unknown request \(code)")
            }
            let (vlan, priority) = vlan ?? (0, 0)
            guard vlan < 0x0FFF, priority <= 7 else {
                throw Refusal(code: EINVAL, problem: "VLAN \(vlan) or priority \(priority) is out of range")
            }
            if let macAddress, !macAddress.isIndividual {
                throw Refusal(code: EINVAL, problem: "\(macAddress) is a group address, or all zero")
            }
            return PortProfile(
                macAddress: macAddress, vlan: UInt16(vlan), priority: UInt8(priority), managerID: vsiType.manager,
                typeID: vsiType.type, typeVersion: vsiType.version, instance: instance, operation: operation)
        }
    }
}

/// What evbd says to libvirt.
enum LibvirtReply {
    /// PORT_VDP_RESPONSE_SUCCESS.
    static let success: UInt16 = 0
    /// PORT_PROFILE_RESPONSE_ERROR, for failures that the bridge has given no code for.
    static let failure: UInt16 = 0x105

    /// NLMSG_ERROR: 0 when the request was taken, else an errno.
    static func result(_ code: Int32, to header: NetlinkHeader) -> [UInt8] {
        NetlinkWriter.message(type: RTNetlink.messageError, sequence: header.sequence, port: header.port) {
            $0.integer(-code)
            $0.integer(header.length)
            $0.integer(header.type)
            $0.integer(header.flags)
            $0.integer(header.sequence)
            $0.integer(header.port)
        }
    }

    /// The answer to a poll, as lldpad gives it: one message of type NLMSG_DONE with the port's VSIs. One without a
    /// response is under way.
    static func poll(
        _ vsis: some Sequence<(instance: VSIID, response: UInt16?)>, interfaceIndex: Int32, to header: NetlinkHeader
    ) -> [UInt8] {
        NetlinkWriter.message(
            type: RTNetlink.messageDone, sequence: header.sequence, port: header.port,
            capacity: 64 + 40 * vsis.underestimatedCount
        ) {
            writeInterface(interfaceIndex, to: &$0)
            var rest = vsis.makeIterator()
            guard let first = rest.next() else { return }
            $0.attribute(RTNetlink.vfPorts | RTNetlink.nested) {
                write(first, to: &$0)
                while let vsi = rest.next() { write(vsi, to: &$0) }
            }
        }
    }

    /// An attribute of a VSI in the answer to a poll, which may have a thousand of them.
    private struct PolledVSI {
        static let length: UInt16 = 40
        /// Octets of the response at its end.
        static let responseLength: UInt16 = 8

        var header: (length: UInt16, type: UInt16)
        let uuidHeader = (length: UInt16(20), type: RTNetlink.portInstanceUUID)
        let uuid: (high: UInt32, UInt32, UInt32, low: UInt32)
        let vfHeader = (length: UInt16(8), type: RTNetlink.portVF)
        let vf = RTNetlink.selfVF
        let responseHeader = (length: UInt16(6), type: RTNetlink.portResponse)
        let response: (value: UInt16, padding: UInt16)

        init(_ instance: VSIID, _ response: UInt16?) {
            let length = Self.length - (response == nil ? Self.responseLength : 0)
            header = (length, RTNetlink.vfPort | RTNetlink.nested)
            uuid = (
                UInt32(truncatingIfNeeded: instance.high >> 32).bigEndian,
                UInt32(truncatingIfNeeded: instance.high).bigEndian,
                UInt32(truncatingIfNeeded: instance.low >> 32).bigEndian,
                UInt32(truncatingIfNeeded: instance.low).bigEndian
            )
            self.response = (response ?? 0, 0)
        }
    }

    private static func write(_ vsi: (instance: VSIID, response: UInt16?), to writer: inout NetlinkWriter) {
        let polled = PolledVSI(vsi.instance, vsi.response)
        withUnsafeBytes(of: polled) { writer.append($0.prefix(Int(polled.header.length))) }
    }

    /// The unasked message that a VSI has been de-associated: evbd's own RTM_SETLINK.
    static func dropped(
        _ profile: LibvirtRequest.PortProfile, interfaceName: String, port: UInt32, sequence: UInt32
    ) -> [UInt8] {
        NetlinkWriter.message(type: RTNetlink.setLink, sequence: sequence, port: port) {
            // libvirt finds the interface by its name.
            writeInterface(0, to: &$0)
            $0.attribute(RTNetlink.interfaceName) { $0.bytes(Array(interfaceName.utf8) + [0]) }
            $0.attribute(RTNetlink.vfInfoList | RTNetlink.nested) {
                $0.attribute(RTNetlink.vfInfo | RTNetlink.nested) { writeInfo(profile, to: &$0) }
            }
            $0.attribute(RTNetlink.vfPorts | RTNetlink.nested) {
                $0.attribute(RTNetlink.vfPort | RTNetlink.nested) { writePort(profile, to: &$0) }
            }
        }
    }

    private static func writeInterface(_ index: Int32, to writer: inout NetlinkWriter) {
        writer.integer(UInt32(0))
        writer.integer(index)
        writer.integer(UInt64(0))
    }

    private static func writeInfo(_ profile: LibvirtRequest.PortProfile, to writer: inout NetlinkWriter) {
        if let address = profile.macAddress {
            writer.attribute(RTNetlink.vfMAC) {
                $0.integer(RTNetlink.selfVF)
                $0.bytes(address.octets + [UInt8](repeating: 0, count: 26))
            }
        }
        writer.attribute(RTNetlink.vfVLAN) {
            $0.integer(RTNetlink.selfVF)
            $0.integer(UInt32(profile.vlan))
            $0.integer(UInt32(profile.priority))
        }
    }

    private static func writePort(_ profile: LibvirtRequest.PortProfile, to writer: inout NetlinkWriter) {
        writer.attribute(RTNetlink.portVSIType) {
            $0.bytes([
                profile.managerID, UInt8(truncatingIfNeeded: profile.typeID),
                UInt8(truncatingIfNeeded: profile.typeID >> 8), UInt8(truncatingIfNeeded: profile.typeID >> 16),
                profile.typeVersion, 0, 0, 0,
            ])
        }
        writer.attribute(RTNetlink.portInstanceUUID) { $0.identifier(profile.instance) }
        writer.attribute(RTNetlink.portVF) { $0.integer(RTNetlink.selfVF) }
        // One octet, as the kernel and libvirt define it.
        writer.attribute(RTNetlink.portRequest) { $0.integer(LibvirtRequest.Operation.disassociate.rawValue) }
    }
}
