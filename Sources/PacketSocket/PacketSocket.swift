// Raw Ethernet frames of one interface. Owns its AF_PACKET sockets and one receive buffer; knows no protocol.

internal import CLinux
internal import Glibc
public import LinuxSystem

/// From where frames are taken: from one of at most eight addresses, or from all others.
public enum FrameSources: Equatable, Sendable {
    case any
    case only([HardwareAddress])
    case except([HardwareAddress])

    /// The addresses that it names.
    var addresses: [HardwareAddress] {
        switch self {
        case .any: []
        case .only(let addresses), .except(let addresses): addresses
        }
    }
}

/// Sends and receives Ethernet frames of some EtherTypes on one interface.
///
/// What is received was sent to one of the groups, in no VLAN, and came in by the interface's own link. A kernel filter,
/// attached before the socket hears anything, keeps all other traffic from waking the process; how a frame came in is
/// checked once more when it is received. Needs CAP_NET_RAW. The interface may go down and up; when it is removed the socket
/// is of no more use.
public final class PacketSocket {
    /// Where in the kernel the frames are taken.
    public enum Tap: Sendable {
        /// One socket per EtherType: other traffic on the interface costs nothing.
        case protocols
        /// One socket for everything, narrowed by the filter.
        ///
        /// Needed on a port of a Linux bridge, which consumes frames before a socket of one EtherType sees them.
        case everything
    }

    /// Which frames of its EtherTypes a socket takes.
    public enum Taken: Sendable {
        /// Those that belong to the port.
        case own
        /// Those that do not, to count them: of each the first 64 octets, and of one EtherType, which may be nil, the first 1518.
        /// Without devices above those are left out that are received on VLAN devices.
        case strays(reading: UInt16? = nil, withDevicesAbove: Bool = true)

        var areOwn: Bool {
            if case .own = self { true } else { false }
        }
    }

    /// What one call of `receive` has met.
    public struct ReceiveSummary: Equatable, Sendable {
        /// Frames that were handed to the body.
        public var frames = 0
        /// Frames that were longer than `frameLengthMax` and therefore dropped.
        public var truncated = 0
        /// Frames that do not belong to the port and that the kernel's filter let through nevertheless; they were dropped.
        public var strays = 0
        /// Whether the limit was reached, so that more may wait.
        public var mayHaveMore = false

        /// Nothing was met.
        public init() {}
    }

    /// How a frame has come in, for a capture.
    public struct Arrival: Equatable, Sendable {
        /// A VLAN tag that the kernel has taken off.
        public struct Tag: Equatable, Sendable {
            /// Its EtherType: 0x8100, or 0x88A8 of an S-tag.
            public var etherType: UInt16
            /// Priority, DEI and, in the low 12 bits, the VLAN.
            public var value: UInt16

            public init(etherType: UInt16, value: UInt16) {
                self.etherType = etherType
                self.value = value
            }
        }

        /// When the kernel received it, in nanoseconds since 1970 (UTC); 0 where the kernel does not say.
        public var time: UInt64
        /// Its octets before the kernel's filter cut it, without its tag.
        public var length: Int
        public var tag: Tag?
        /// The interface that it is on: the socket's own, or a VLAN device above it.
        public var interfaceIndex: Int32

        public init(time: UInt64, length: Int, tag: Tag? = nil, interfaceIndex: Int32) {
            self.time = time
            self.length = length
            self.tag = tag
            self.interfaceIndex = interfaceIndex
        }

        fileprivate init(_ ingress: clinux_packet_ingress) {
            let etherType = ingress.tag_protocol == 0 ? UInt16(ETH_P_8021Q) : ingress.tag_protocol
            self.init(
                time: ingress.time, length: Int(ingress.length),
                tag: ingress.has_tag ? Tag(etherType: etherType, value: ingress.tag) : nil,
                interfaceIndex: ingress.interface_index)
        }
    }

    /// Octets of the longest frame that is received: a jumbo port's 9216 with header and one tag.
    public static let frameLengthMax = 9216 + 18

    /// Octets of frames that the kernel keeps for one socket, with their overhead.
    ///
    /// A thousand short frames: more than a bridge sends to one station in a burst.
    private static let receiveBufferLength: Int32 = 1 << 20
    /// The same for a socket of strays: those that find no room are counted all the same.
    private static let strayBufferLength: Int32 = 1 << 16

    /// Owns one socket.
    private final class Socket {
        let descriptor: FileDescriptor

        init(owning descriptor: consuming FileDescriptor) {
            self.descriptor = descriptor
        }
    }

    private let interfaceIndex: Int32
    private let sockets: [(socket: Socket, etherTypes: [UInt16])]
    private let groups: [HardwareAddress]
    /// Whether one of them is the interface's own address.
    private let hasAddress: Bool
    private let taken: Taken
    private var sources: FrameSources
    /// How the frame has come in that `receive` hands over now; nil while arrivals are not recorded.
    public private(set) var arrival: Arrival?
    private var recordsArrivals = false
    private let memory = ReceiveBuffer(length: frameLengthMax)
    private var buffer: UnsafeMutableRawBufferPointer { memory.octets }

    /// Opens the sockets; they hear frames when this returns.
    ///
    /// - Parameters:
    ///   - interfaceIndex: The interface.
    ///   - etherTypes: What is received, 1 to 64. Anything can be sent.
    ///   - groups: The group addresses that are received, 64 at most. The interface is told to let them in.
    ///   - furtherGroups: Group addresses whose frames the interface lets in too, for a socket of strays.
    ///   - taken: Which of the frames are received.
    ///   - sources: From where frames are received; strays are from anywhere.
    ///   - tap: Where in the kernel the frames are taken.
    ///   - mark: What frames that are sent bear for the rules of this host (SO_MARK), where they need one.
    /// - Throws: `SystemError`: EPERM without CAP_NET_RAW, ENODEV for an interface that is not there or no Ethernet.
    public init(
        interfaceIndex: Int32, etherTypes: [UInt16], groups: [HardwareAddress],
        furtherGroups: [HardwareAddress] = [], taken: Taken = .own,
        sources: FrameSources = .any, tap: Tap, mark: UInt32? = nil
    ) throws(SystemError) {
        var sockets: [(socket: Socket, etherTypes: [UInt16])] = []
        let parts = tap == .protocols ? etherTypes.map { [$0] } : [etherTypes]
        for part in parts {
            let filter = Self.filter(part, groups, taken, sources, interfaceIndex)
            let number = tap == .protocols ? part[0] : UInt16(ETH_P_ALL)
            let length = taken.areOwn ? Self.receiveBufferLength : Self.strayBufferLength
            let socket = try Self.open(
                interfaceIndex, protocol: number, filter, groups + furtherGroups, bufferLength: length)
            sockets.append((socket, part))
        }
        precondition(!sockets.isEmpty, "a socket that hears nothing has no use")
        if var mark, let (socket, _) = sockets.first {
            try Self.set(socket.descriptor.rawValue, SOL_SOCKET, SO_MARK, "SO_MARK", &mark)
        }
        self.interfaceIndex = interfaceIndex
        self.sockets = sockets
        self.groups = groups
        hasAddress = groups.contains { $0.value >> 40 & 1 == 0 }
        self.taken = taken
        self.sources = sources
    }

    /// What to watch for reading; one descriptor per EtherType, or one in all.
    public var descriptors: [Int32] {
        sockets.map { $0.socket.descriptor.rawValue }
    }

    /// The EtherTypes that one of the descriptors hears.
    public func etherTypes(of descriptor: Int32) -> [UInt16] {
        sockets.first { $0.socket.descriptor.rawValue == descriptor }?.etherTypes ?? []
    }

    /// Changes from where frames are received. What has come before waits as before.
    ///
    /// - Throws: `SystemError`: ENOMEM; some of the sockets may have changed then.
    public func narrow(to sources: FrameSources) throws(SystemError) {
        self.sources = sources
        try attachFilters()
    }

    private func attachFilters() throws(SystemError) {
        for (_, etherTypes) in sockets {
            let filter = Self.filter(
                etherTypes, groups, taken, sources, interfaceIndex, areStraysWhole: recordsArrivals)
            try attach(filter, for: etherTypes)
        }
    }

    /// Has `arrival` told of each frame, and strays handed over as a whole, or ends that.
    ///
    /// - Throws: `SystemError`: ENOMEM; some of the sockets may have changed then.
    public func recordArrivals(_ isOn: Bool) throws(SystemError) {
        guard isOn != recordsArrivals else { return }
        recordsArrivals = isOn
        arrival = nil
        for (socket, _) in sockets {
            var value: Int32 = isOn ? 1 : 0
            try Self.set(socket.descriptor.rawValue, SOL_SOCKET, SO_TIMESTAMPNS, "SO_TIMESTAMPNS", &value)
        }
        if !taken.areOwn { try attachFilters() }
    }

    /// Puts another filter in place of the one of some EtherTypes' socket.
    func attach(_ filter: PacketFilter, for etherTypes: [UInt16]) throws(SystemError) {
        for (socket, heard) in sockets where heard == etherTypes {
            try Self.attach(filter, to: socket.descriptor.rawValue)
        }
    }

    private static func filter(
        _ etherTypes: [UInt16], _ groups: [HardwareAddress], _ taken: Taken, _ sources: FrameSources, _ index: Int32,
        areStraysWhole: Bool = false
    ) -> PacketFilter {
        switch taken {
        case .own:
            PacketFilter(
                etherTypes: etherTypes, groups: groups, interfaceIndex: index, sources: sources,
                snapLength: frameLengthMax + 1)
        case .strays(let read, let withDevicesAbove):
            PacketFilter(
                straysOf: etherTypes, reading: areStraysWhole ? nil : read, groups: groups, interfaceIndex: index,
                withDevicesAbove: withDevicesAbove,
                length: areStraysWhole ? frameLengthMax : PacketFilter.strayLength)
        }
    }

    // MARK: Opening

    private static func open(
        _ interfaceIndex: Int32, protocol etherType: UInt16, _ filter: PacketFilter, _ groups: [HardwareAddress],
        bufferLength: Int32
    ) throws(SystemError) -> Socket {
        let type = Int32(SOCK_RAW.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        // Protocol 0: the socket hears nothing before it is bound, so no frame gets past the filter.
        let number = try systemCall("socket AF_PACKET") { socket(AF_PACKET, type, 0) }
        let result = Socket(owning: FileDescriptor(owning: number))
        try attach(filter, to: number)
        try setOptions(of: number, bufferLength: bufferLength)

        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_protocol = etherType.bigEndian
        address.sll_ifindex = interfaceIndex
        try withUnsafeBytes(of: &address) { octets throws(SystemError) in
            _ = try systemCall("bind interface \(interfaceIndex)") {
                bind(number, octets.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(octets.count))
            }
        }
        try join(groups, on: interfaceIndex, by: number)
        return result
    }

    private static func attach(_ filter: PacketFilter, to descriptor: Int32) throws(SystemError) {
        var instructions = filter.instructions
        let result = instructions.withUnsafeMutableBufferPointer { buffer -> Result<Int32, SystemError> in
            var program = sock_fprog(len: UInt16(buffer.count), filter: buffer.baseAddress)
            return Result { () throws(SystemError) in
                try set(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, "SO_ATTACH_FILTER", &program)
                return 0
            }
        }
        _ = try result.get()
    }

    private static func setOptions(of descriptor: Int32, bufferLength: Int32) throws(SystemError) {
        var length = bufferLength
        do {
            // Past net.core.rmem_max, where CAP_NET_ADMIN allows it.
            try set(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, "SO_RCVBUFFORCE", &length)
        } catch {
            try set(descriptor, SOL_SOCKET, SO_RCVBUF, "SO_RCVBUF", &length)
        }
        var on: Int32 = 1
        // Tells of each frame what tag it bore.
        try set(descriptor, SOL_PACKET, PACKET_AUXDATA, "PACKET_AUXDATA", &on)
        var priority = Int32(clinux_priority_control)
        try set(descriptor, SOL_SOCKET, SO_PRIORITY, "SO_PRIORITY", &priority)
        do {
            try set(descriptor, SOL_PACKET, PACKET_IGNORE_OUTGOING, "PACKET_IGNORE_OUTGOING", &on)
        } catch {
            // Kernels before 4.20 do not know it: the filter drops what went out too, a little later.
            guard error.code == ENOPROTOOPT else {
                throw error
            }
        }
    }

    private static func join(
        _ groups: [HardwareAddress], on interfaceIndex: Int32, by descriptor: Int32
    ) throws(SystemError) {
        // An individual address is the interface's own, which it takes in any case.
        for group in groups where group.value >> 40 & 1 == 1 {
            var request = packet_mreq()
            request.mr_ifindex = interfaceIndex
            request.mr_type = UInt16(PACKET_MR_MULTICAST)
            request.mr_alen = 6
            withUnsafeMutableBytes(of: &request.mr_address) { $0.copyBytes(from: group.octets) }
            try set(descriptor, SOL_PACKET, PACKET_ADD_MEMBERSHIP, "PACKET_ADD_MEMBERSHIP \(group)", &request)
        }
    }

    private static func set<Value: BitwiseCopyable>(
        _ descriptor: Int32, _ level: Int32, _ option: Int32, _ name: String, _ value: inout Value
    ) throws(SystemError) {
        try systemCall("setsockopt \(name)") {
            setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Value>.size))
        }
    }

    // MARK: Frames

    /// Takes the frames that wait on one of the descriptors.
    ///
    /// - Parameters:
    ///   - descriptor: One of `descriptors`.
    ///   - limit: The greatest number of frames to take now, so that a flood cannot hold up the loop.
    ///   - body: Called with each frame, from its destination address on; the octets are gone when it returns.
    /// - Returns: What was met.
    /// - Throws: `SystemError`: ENETDOWN, once, when the interface goes down or is removed.
    public func receive(
        _ descriptor: Int32, limit: Int, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(SystemError) -> ReceiveSummary {
        var summary = ReceiveSummary()
        var ingress = clinux_packet_ingress()
        for _ in 0..<limit {
            // MSG_TRUNC makes the kernel return the whole length. The filter cuts frames one octet above the buffer's
            // length, so a longer one shows.
            let length = try systemCallUnlessBlocked("recv packet") {
                clinux_receive_packet(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_TRUNC), &ingress)
            }
            guard let length else { return summary }
            guard !taken.areOwn || Self.isOwn(ingress, of: interfaceIndex, hasAddress: hasAddress) else {
                summary.strays += 1
                continue
            }
            // A stray's rest was cut off by the filter.
            let kept = taken.areOwn ? length : min(length, strayLength(of: buffer))
            guard kept <= buffer.count else {
                summary.truncated += 1
                continue
            }
            summary.frames += 1
            if recordsArrivals { arrival = Arrival(ingress) }
            body(UnsafeRawBufferPointer(rebasing: buffer[..<kept]))
        }
        summary.mayHaveMore = true
        return summary
    }

    /// Octets that the filter has left of a stray at most.
    private func strayLength(of frame: UnsafeMutableRawBufferPointer) -> Int {
        if recordsArrivals { return Self.frameLengthMax }
        guard case .strays(let read?, _) = taken, frame.count >= Int(ETH_HLEN) else { return PacketFilter.strayLength }
        let etherType = UInt16(bigEndian: frame.loadUnaligned(fromByteOffset: 12, as: UInt16.self))
        return etherType == read ? PacketFilter.readStrayLength : PacketFilter.strayLength
    }

    /// Whether a frame came in as the neighbour's do: to a group, or to the interface where that is spoken to so (`hasAddress`), in no
    /// VLAN, by the interface's own link.
    ///
    /// The kernel's filter has asked the same. A frame that a filter of former times let through, or none, is not taken.
    static func isOwn(
        _ ingress: clinux_packet_ingress, of interfaceIndex: Int32, hasAddress: Bool = false
    ) -> Bool {
        let type = Int32(ingress.packet_type)
        return ingress.interface_index == interfaceIndex
            && (type == PACKET_MULTICAST || hasAddress && type == PACKET_HOST)
            && (!ingress.has_tag || ingress.tag & 0x0FFF == 0)
    }

    /// Takes the kernel's count of frames that it has dropped because a socket's buffer was full.
    ///
    /// - Parameter descriptor: One of `descriptors`.
    /// - Returns: The frames since the last call, counted modulo 2^32.
    public func takeDrops(of descriptor: Int32) -> Int {
        var statistics = tpacket_stats()
        var length = socklen_t(MemoryLayout<tpacket_stats>.size)
        // Of an open packet socket it has no reason to fail.
        guard getsockopt(descriptor, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) == 0 else { return 0 }
        return Int(statistics.tp_drops)
    }

    /// Sends one frame.
    ///
    /// - Parameter frame: The whole frame without its check sequence, from the destination address on.
    /// - Throws: `SystemError`: EAGAIN or ENOBUFS if a queue is full, ENETDOWN if the interface is down, EMSGSIZE for
    ///   a frame longer than the MTU allows, EINVAL for one shorter than a header. The frame is not sent then; whether
    ///   to try again is the caller's to decide.
    public func send(_ frame: UnsafeRawBufferPointer) throws(SystemError) {
        guard frame.count >= Int(ETH_HLEN), let (socket, _) = sockets.first else {
            throw SystemError(call: "send packet", code: EINVAL)
        }
        // The frame's own EtherType, else the kernel would take it for the protocol that the socket is bound to.
        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_protocol = frame.loadUnaligned(fromByteOffset: 12, as: UInt16.self)
        address.sll_ifindex = interfaceIndex
        let descriptor = socket.descriptor.rawValue
        try withUnsafeBytes(of: &address) { octets throws(SystemError) in
            _ = try systemCall("send packet") {
                sendto(
                    descriptor, frame.baseAddress, frame.count, 0,
                    octets.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(octets.count))
            }
        }
    }
}
