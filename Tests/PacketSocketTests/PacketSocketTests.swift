import Glibc
import LinuxSystem
import NetnsSupport
import Testing

@testable import PacketSocket

private let lldp: UInt16 = 0x88CC
private let ecp: UInt16 = 0x8940
private let nearestBridge = HardwareAddress(0x0180_C200_000E)
private let nearestCustomerBridge = HardwareAddress(0x0180_C200_0000)
private let source = HardwareAddress(0x0200_0000_0001)

/// An untagged frame whose last octet tells it from others.
private func frame(
    to destination: HardwareAddress, from source: HardwareAddress = source, _ etherType: UInt16, mark: UInt8,
    tag: UInt16? = nil, length: Int = 60
) -> [UInt8] {
    var octets = destination.octets + source.octets
    if let tag {
        octets += [0x81, 0x00, UInt8(tag >> 8), UInt8(tag & 0xFF)]
    }
    octets += [UInt8(etherType >> 8), UInt8(etherType & 0xFF)]
    octets += [UInt8](repeating: 0, count: length - octets.count - 1)
    return octets + [mark]
}

extension PacketSocket {
    fileprivate func send(_ octets: [UInt8]) throws {
        try octets.withUnsafeBytes { try send($0) }
    }

    /// Receives until a frame with a mark has come on each of the descriptors that are given one.
    fileprivate func marks(until last: UInt8, on descriptors: [Int32]? = nil) throws -> [UInt8] {
        var marks: [UInt8] = []
        let came = try eventually {
            for descriptor in descriptors ?? self.descriptors {
                _ = try receive(descriptor, limit: 100) { marks.append($0.last ?? 0) }
            }
            return marks.contains(last)
        }
        #expect(came, "frame \(last) did not come; these did: \(marks)")
        return marks
    }
}

/// By getifaddrs, for /sys shows the network namespace that it was mounted in.
private func address(of interface: String) throws -> HardwareAddress {
    var list: UnsafeMutablePointer<ifaddrs>?
    try systemCall("getifaddrs") { getifaddrs(&list) }
    defer { freeifaddrs(list) }
    var next = list
    while let entry = next {
        // sockaddr_ll: the address is at octet 12.
        if String(cString: entry.pointee.ifa_name) == interface, let address = entry.pointee.ifa_addr,
            Int32(address.pointee.sa_family) == AF_PACKET
        {
            return try #require(
                HardwareAddress(octets: UnsafeRawBufferPointer(start: UnsafeRawPointer(address) + 12, count: 6)))
        }
        next = entry.pointee.ifa_next
    }
    throw SystemError(call: "look for \(interface)", code: ENODEV)
}

@Suite(.enabled(if: inOwnNamespace, "needs root in a network namespace of its own: EVBD_TEST_NETNS=1 unshare -n"))
struct PacketSocketTests {
    @Test(
        "CAP-106 the kernel says when a frame came, its length and its tag; strays are whole, and afterwards as before")
    func arrivals() throws {
        let pair = try VethPair("psarrival")
        let sender = try PacketSocket(interfaceIndex: pair.oneIndex, etherTypes: [0x9999], groups: [], tap: .protocols)
        let own = try PacketSocket(
            interfaceIndex: pair.twoIndex, etherTypes: [ecp], groups: [nearestCustomerBridge], tap: .protocols)
        let strays = try PacketSocket(
            interfaceIndex: pair.twoIndex, etherTypes: [ecp], groups: [nearestCustomerBridge],
            taken: .strays(), tap: .everything)
        /// The arrival and the length of the next frame.
        func next(_ socket: PacketSocket) throws -> (arrival: PacketSocket.Arrival?, length: Int) {
            var result: (PacketSocket.Arrival?, Int)?
            let came = try eventually {
                for descriptor in socket.descriptors {
                    _ = try socket.receive(descriptor, limit: 1) { result = (socket.arrival, $0.count) }
                }
                return result != nil
            }
            #expect(came)
            return try #require(result)
        }
        let tagged = frame(to: nearestCustomerBridge, ecp, mark: 1, tag: 0x6005, length: 704)
        for socket in [own, strays] { try socket.recordArrivals(true) }
        let before = WallClock.now()
        try sender.send(frame(to: nearestCustomerBridge, ecp, mark: 1))
        try sender.send(tagged)
        let heard = try next(own)
        #expect(heard.length == 60 && heard.arrival?.length == 60 && heard.arrival?.tag == nil)
        #expect(heard.arrival?.interfaceIndex == pair.twoIndex)
        let time = try #require(heard.arrival?.time)
        #expect(time >= before && time <= WallClock.now())
        let stray = try next(strays)
        #expect(stray.length == 700 && stray.arrival?.length == 700)
        #expect(stray.arrival?.tag == PacketSocket.Arrival.Tag(etherType: 0x8100, value: 0x6005))

        for socket in [own, strays] { try socket.recordArrivals(false) }
        try sender.send(frame(to: nearestCustomerBridge, ecp, mark: 1))
        try sender.send(tagged)
        let (unrecorded, cut) = (try next(own), try next(strays))
        #expect(unrecorded.arrival == nil && cut.arrival == nil && cut.length == PacketFilter.strayLength)
    }

    @Test(
        "SEC-11 the kernel lets through what belongs to the port", arguments: [PacketSocket.Tap.protocols, .everything])
    func theFilterLetsThroughWhatWasAskedForAndNothingElse(_ tap: PacketSocket.Tap) throws {
        let pair = try VethPair(tap == .protocols ? "psfilter" : "pstap")
        let sender = try PacketSocket(interfaceIndex: pair.oneIndex, etherTypes: [0x9999], groups: [], tap: tap)
        let receiver = try PacketSocket(
            interfaceIndex: pair.twoIndex, etherTypes: [lldp, ecp], groups: [nearestBridge, nearestCustomerBridge],
            tap: tap)
        #expect(receiver.descriptors.count == (tap == .protocols ? 2 : 1))
        let own = try address(of: pair.two)
        let otherGroup = HardwareAddress(0x0180_C200_0003)
        // Differ from a group in one half only.
        let sameTail = HardwareAddress(0x0380_C200_000E)

        for dropped in [
            frame(to: nearestBridge, 0x0800, mark: 100), frame(to: nearestBridge, lldp + 1, mark: 101),
            frame(to: otherGroup, ecp, mark: 102), frame(to: sameTail, ecp, mark: 103),
            frame(to: HardwareAddress(0x0200_0000_0077), ecp, mark: 104),
            frame(to: HardwareAddress(0xFFFF_FFFF_FFFF), ecp, mark: 105),
            frame(to: nearestBridge, ecp, mark: 106, tag: 5), frame(to: own, ecp, mark: 107, tag: 5),
            frame(to: own, ecp, mark: 108), frame(to: own, lldp, mark: 109),
            frame(to: own, ecp, mark: 110, tag: 0xE000),
        ] {
            try sender.send(dropped)
        }
        try sender.send(frame(to: nearestBridge, lldp, mark: 1))
        try sender.send(frame(to: nearestCustomerBridge, ecp, mark: 2))
        // Tagged for priority only.
        try sender.send(frame(to: nearestBridge, ecp, mark: 4, tag: 0xE000))
        try sender.send(frame(to: nearestBridge, ecp, mark: 5))
        #expect(try receiver.marks(until: 5).sorted() == [1, 2, 4, 5])
    }

    @Test(
        "SEC-12 without the kernel's filter, what came to another address or in a VLAN is dropped at reception and counted",
        arguments: [PacketSocket.Tap.protocols, .everything])
    func theFilterIsNotTheOnlyGuard(_ tap: PacketSocket.Tap) throws {
        let pair = try VethPair(tap == .protocols ? "psguard" : "psguardtap")
        let sender = try PacketSocket(interfaceIndex: pair.oneIndex, etherTypes: [0x9999], groups: [], tap: tap)
        let receiver = try PacketSocket(
            interfaceIndex: pair.twoIndex, etherTypes: [ecp], groups: [nearestCustomerBridge], tap: tap)
        try receiver.attach(.acceptingAll, for: [ecp])
        let own = try address(of: pair.two)
        for (mark, stray) in [
            frame(to: own, ecp, mark: 100), frame(to: nearestCustomerBridge, ecp, mark: 101, tag: 5),
            frame(to: HardwareAddress(0x0200_0000_0077), ecp, mark: 102), frame(to: own, ecp, mark: 103, tag: 5),
        ].enumerated() {
            try sender.send(stray)
            try sender.send(frame(to: nearestCustomerBridge, ecp, mark: UInt8(mark), tag: 0xE000))
        }
        var (marks, strays) = ([UInt8](), 0)
        let came = try eventually {
            strays += try receiver.receive(receiver.descriptors[0], limit: 100) { marks.append($0.last ?? 0) }.strays
            return marks.contains(3)
        }
        #expect(came && marks.sorted() == [0, 1, 2, 3])
        #expect(strays == 4)
    }

    @Test(
        "SEC-13 a socket for strays hears what the port's own does not, and the beginning of it alone",
        arguments: [PacketSocket.Tap.protocols, .everything])
    func strays(_ tap: PacketSocket.Tap) throws {
        let pair = try VethPair(tap == .protocols ? "psstray" : "psstraytap")
        let sender = try PacketSocket(interfaceIndex: pair.oneIndex, etherTypes: [0x9999], groups: [], tap: tap)
        let receiver = try PacketSocket(
            interfaceIndex: pair.twoIndex, etherTypes: [lldp, ecp], groups: [nearestCustomerBridge], taken: .strays(),
            tap: tap)
        let own = try address(of: pair.two)
        try sender.send(frame(to: nearestCustomerBridge, ecp, mark: 1))
        try sender.send(frame(to: nearestCustomerBridge, lldp, mark: 1, tag: 0xE000))
        try sender.send(frame(to: own, 0x0800, mark: 1))
        let sent = [
            frame(to: own, lldp, mark: 1, length: 1000), frame(to: nearestCustomerBridge, ecp, mark: 1, tag: 5),
            frame(to: nearestBridge, ecp, mark: 1), frame(to: own, ecp, mark: 1, length: 1000),
        ]
        for octets in sent { try sender.send(octets) }
        // What this host sends is no stray.
        let beside = try PacketSocket(interfaceIndex: pair.twoIndex, etherTypes: [0x9999], groups: [], tap: tap)
        try beside.send(frame(to: source, ecp, mark: 1))
        var heads: [[UInt8]] = []
        let came = try eventually {
            for descriptor in receiver.descriptors {
                let summary = try receiver.receive(descriptor, limit: 100) { heads.append(Array($0)) }
                #expect(summary.strays == 0 && summary.truncated == 0)
            }
            return heads.count >= sent.count
        }
        #expect(came && heads.count == sent.count)
        #expect(heads.allSatisfy { $0.count <= 64 })
        #expect(Set(heads.map { Array($0.prefix(12)) }) == Set(sent.map { Array($0.prefix(12)) }))
    }

    @Test(
        "OPS-261 of strays of one EtherType alone the whole is heard",
        arguments: [PacketSocket.Tap.protocols, .everything])
    func readStrays(_ tap: PacketSocket.Tap) throws {
        let pair = try VethPair(tap == .protocols ? "psread" : "psreadtap")
        let sender = try PacketSocket(interfaceIndex: pair.oneIndex, etherTypes: [0x9999], groups: [], tap: tap)
        let receiver = try PacketSocket(
            interfaceIndex: pair.twoIndex, etherTypes: [lldp, ecp], groups: [nearestCustomerBridge],
            furtherGroups: [nearestBridge], taken: .strays(reading: lldp), tap: tap)
        try sender.send(frame(to: nearestBridge, lldp, mark: 1, length: 1000))
        try sender.send(frame(to: nearestBridge, ecp, mark: 1, length: 1000))
        var lengths: [Int] = []
        let came = try eventually {
            for descriptor in receiver.descriptors {
                _ = try receiver.receive(descriptor, limit: 100) { lengths.append($0.count) }
            }
            return lengths.count >= 2
        }
        #expect(came && lengths.sorted() == [64, 1000])
    }

    @Test(arguments: [PacketSocket.Tap.protocols, .everything])
    func oneHearsTheNeighbourAndOneTheOthers(_ tap: PacketSocket.Tap) throws {
        let pair = try VethPair(tap == .protocols ? "pssrc" : "pssrctap")
        let sender = try PacketSocket(interfaceIndex: pair.oneIndex, etherTypes: [0x9999], groups: [], tap: tap)
        func listen(_ sources: FrameSources) throws -> PacketSocket {
            try PacketSocket(
                interfaceIndex: pair.twoIndex, etherTypes: [lldp, ecp], groups: [nearestBridge], sources: sources,
                tap: tap)
        }
        let neighbour = [source, HardwareAddress(0x0200_0000_0002), HardwareAddress(0x0300_0000_0001)]
        // The last two have one half of an address in common with the neighbour's.
        let stranger = [0x0200_0000_0003, 0x0201_0000_0002, 0x0300_0000_0002].map { HardwareAddress($0) }
        let one = try listen(.only(neighbour))
        let others = try listen(.except(neighbour))
        let all = try listen(.any)
        for (mark, address) in (neighbour + stranger).enumerated() {
            try sender.send(frame(to: nearestBridge, from: address, ecp, mark: UInt8(mark)))
        }
        try sender.send(frame(to: nearestBridge, from: source, ecp, mark: 100))
        #expect(try one.marks(until: 100).sorted() == [0, 1, 2, 100])
        #expect(try all.marks(until: 100).sorted() == [0, 1, 2, 3, 4, 5, 100])
        // What came before waits; what comes now is the other half.
        try others.narrow(to: .only(neighbour))
        try sender.send(frame(to: nearestBridge, from: stranger[0], ecp, mark: 101))
        try sender.send(frame(to: nearestBridge, from: source, ecp, mark: 102))
        #expect(try others.marks(until: 102).sorted() == [3, 4, 5, 102])
    }

    @Test func eachEtherTypeHasItsDescriptor() throws {
        let pair = try VethPair("pstypes")
        let sender = try PacketSocket(interfaceIndex: pair.oneIndex, etherTypes: [ecp], groups: [], tap: .protocols)
        let receiver = try PacketSocket(
            interfaceIndex: pair.twoIndex, etherTypes: [lldp, ecp], groups: [nearestBridge], tap: .protocols)
        try sender.send(frame(to: nearestBridge, lldp, mark: 1))
        try sender.send(frame(to: nearestBridge, ecp, mark: 2))
        #expect(try receiver.marks(until: 1, on: [receiver.descriptors[0]]) == [1])
        #expect(try receiver.marks(until: 2, on: [receiver.descriptors[1]]) == [2])
    }

    @Test(arguments: [PacketSocket.Tap.protocols, .everything])
    func ownFramesAreNotHeard(_ tap: PacketSocket.Tap) throws {
        let pair = try VethPair(tap == .protocols ? "psown" : "psowntap")
        let one = try PacketSocket(interfaceIndex: pair.oneIndex, etherTypes: [ecp], groups: [nearestBridge], tap: tap)
        let two = try PacketSocket(interfaceIndex: pair.twoIndex, etherTypes: [ecp], groups: [nearestBridge], tap: tap)
        // A second sender beside it on the same interface is the host itself too.
        let beside = try PacketSocket(interfaceIndex: pair.oneIndex, etherTypes: [lldp], groups: [], tap: tap)
        try one.send(frame(to: nearestBridge, ecp, mark: 1))
        try beside.send(frame(to: nearestBridge, ecp, mark: 2))
        #expect(try two.marks(until: 2).sorted() == [1, 2])
        try two.send(frame(to: nearestBridge, ecp, mark: 3))
        #expect(try one.marks(until: 3) == [3])
    }

    @Test func aFrameKeepsItsOctetsAndTheLimitIsKept() throws {
        let pair = try VethPair("psoctets")
        let one = try PacketSocket(interfaceIndex: pair.oneIndex, etherTypes: [ecp], groups: [], tap: .protocols)
        let two = try PacketSocket(
            interfaceIndex: pair.twoIndex, etherTypes: [ecp], groups: [nearestBridge], tap: .protocols)
        let descriptor = two.descriptors[0]
        let sent = (0..<5).map { frame(to: nearestBridge, ecp, mark: UInt8($0), length: 100 + $0) }
        for octets in sent {
            try one.send(octets)
        }
        var received: [[UInt8]] = []
        var summaries: [PacketSocket.ReceiveSummary] = []
        let came = try eventually {
            let summary = try two.receive(descriptor, limit: 2) { received.append(Array($0)) }
            if summary.frames > 0 {
                summaries.append(summary)
            }
            return received.count == 5
        }
        #expect(came)
        #expect(Set(received) == Set(sent))
        #expect(summaries.allSatisfy { $0.frames <= 2 && $0.mayHaveMore == ($0.frames == 2) })
        let nothing = try two.receive(descriptor, limit: 2) { _ in Issue.record("a sixth frame") }
        #expect(nothing == PacketSocket.ReceiveSummary())
    }

    @Test func aFrameBeyondTheBufferIsDroppedAndCounted() throws {
        let pair = try VethPair("pslong", mtu: 9500)
        let one = try PacketSocket(interfaceIndex: pair.oneIndex, etherTypes: [ecp], groups: [], tap: .protocols)
        let two = try PacketSocket(
            interfaceIndex: pair.twoIndex, etherTypes: [ecp], groups: [nearestBridge], tap: .protocols)
        for length in [PacketSocket.frameLengthMax + 1, 9500, PacketSocket.frameLengthMax] {
            try one.send(frame(to: nearestBridge, ecp, mark: 1, length: length))
        }
        var lengths: [Int] = []
        var truncated = 0
        let came = try eventually {
            truncated += try two.receive(two.descriptors[0], limit: 10) { lengths.append($0.count) }.truncated
            return lengths.count + truncated == 3
        }
        #expect(came)
        #expect(lengths == [PacketSocket.frameLengthMax])
        #expect(truncated == 2)
    }

    @Test func whatTheKernelDropsIsCountedOnce() throws {
        let pair = try VethPair("psdrops")
        let one = try PacketSocket(interfaceIndex: pair.oneIndex, etherTypes: [ecp], groups: [], tap: .protocols)
        let two = try PacketSocket(
            interfaceIndex: pair.twoIndex, etherTypes: [ecp], groups: [nearestBridge], tap: .protocols)
        let octets = frame(to: nearestBridge, ecp, mark: 1)
        var sent = 0
        var drops = 0
        var frames = 0
        for _ in 0..<10_000 {
            do {
                try one.send(octets)
                sent += 1
            } catch let error as SystemError {
                // The sender's own queue may fill up: what did not leave cannot be dropped.
                #expect(error.code == EAGAIN || error.code == ENOBUFS)
            }
        }
        _ = try eventually {
            let summary = try two.receive(two.descriptors[0], limit: 20_000) { _ in }
            frames += summary.frames
            drops += two.takeDrops(of: two.descriptors[0])
            return frames + drops == sent
        }
        #expect(drops > 0)
        // The kernel's receive queue of the veth may lose some before the socket sees them.
        #expect(frames + drops <= sent)
        #expect(frames > 100)
        #expect(two.takeDrops(of: two.descriptors[0]) == 0)
    }

    @Test func onABridgePortOnlyTheTapHearsAGroupThatTheBridgeConsumes() throws {
        let pair = try VethPair("psport")
        try run("ip link add psbridge type bridge")
        defer { try? run("ip link delete psbridge") }
        try run("ip link set psbridge addrgenmode none up")
        try run("ip link set \(pair.two) master psbridge")
        let one = try PacketSocket(interfaceIndex: pair.oneIndex, etherTypes: [ecp], groups: [], tap: .protocols)
        let groups = [nearestCustomerBridge]
        let tap = try PacketSocket(interfaceIndex: pair.twoIndex, etherTypes: [ecp], groups: groups, tap: .everything)
        let plain = try PacketSocket(interfaceIndex: pair.twoIndex, etherTypes: [ecp], groups: groups, tap: .protocols)
        try one.send(frame(to: nearestCustomerBridge, ecp, mark: 9))
        #expect(try tap.marks(until: 9) == [9])
        let summary = try plain.receive(plain.descriptors[0], limit: 10) { _ in }
        #expect(summary.frames == 0, "the reason for the tap has gone")
    }

    @Test func aLinkThatIsDownSaysSo() throws {
        let pair = try VethPair("psdown")
        let socket = try PacketSocket(
            interfaceIndex: pair.oneIndex, etherTypes: [ecp], groups: [nearestBridge], tap: .protocols)
        try run("ip link set \(pair.one) down")
        #expect(throws: SystemError(call: "recv packet", code: ENETDOWN)) {
            try socket.receive(socket.descriptors[0], limit: 1) { _ in }
        }
        #expect(throws: SystemError(call: "send packet", code: ENETDOWN)) {
            try socket.send(frame(to: nearestBridge, ecp, mark: 1))
        }
        // It lives on when the link returns.
        try run("ip link set \(pair.one) up")
        try pair.waitForCarrier()
        let other = try PacketSocket(interfaceIndex: pair.twoIndex, etherTypes: [ecp], groups: [], tap: .protocols)
        try other.send(frame(to: nearestBridge, ecp, mark: 2))
        #expect(try socket.marks(until: 2) == [2])
    }

    @Test func mistakesAreRefused() throws {
        #expect(throws: SystemError(call: "bind interface 99999", code: ENODEV)) {
            try PacketSocket(interfaceIndex: 99_999, etherTypes: [ecp], groups: [], tap: .protocols)
        }
        let pair = try VethPair("psbad")
        let socket = try PacketSocket(interfaceIndex: pair.oneIndex, etherTypes: [ecp], groups: [], tap: .protocols)
        #expect(throws: SystemError(call: "send packet", code: EINVAL)) { try socket.send([1, 2, 3]) }
        #expect(throws: SystemError(call: "send packet", code: EMSGSIZE)) {
            try socket.send(frame(to: nearestBridge, ecp, mark: 1, length: 2000))
        }
    }

    @Test func thePriorityIsThatOfControl() throws {
        let pair = try VethPair("psprio")
        let socket = try PacketSocket(interfaceIndex: pair.oneIndex, etherTypes: [ecp], groups: [], tap: .everything)
        var value: Int32 = 0
        var length = socklen_t(4)
        #expect(getsockopt(socket.descriptors[0], SOL_SOCKET, SO_PRIORITY, &value, &length) == 0)
        #expect(value == 7)
    }
}
