import CLinux
import EVBTime
import Glibc
import LinuxSystem
import NetnsSupport
import Testing

@testable import PacketSocket

/// The program that decides in the kernel, run over frames here.
struct PacketFilterTests {
    private static let customerBridge = HardwareAddress(0x0180_C200_0000)
    private static let nearestBridge = HardwareAddress(0x0180_C200_000E)
    private static let further = HardwareAddress(0x0100_0D00_0F0A)
    private static let neighbour = HardwareAddress(0x0200_0000_0001)
    private static let port: Int32 = 0x0102_0304
    private static let lldp: UInt16 = 0x88CC
    private static let ecp: UInt16 = 0x8940

    private static func frame(
        to destination: HardwareAddress = customerBridge, from source: HardwareAddress = neighbour,
        _ etherType: UInt16 = ecp, type: Int32 = PACKET_MULTICAST, on interface: Int32 = port, tag: UInt16? = nil,
        length: Int = 60
    ) -> FilteredFrame {
        let head = destination.octets + source.octets + [UInt8(etherType >> 8), UInt8(etherType & 0xFF)]
        let octets = head + [UInt8](repeating: 0, count: max(length - head.count, 0))
        return FilteredFrame(
            octets: Array(octets.prefix(length)), packetType: UInt8(type), interfaceIndex: interface,
            isTagPresent: tag != nil, tag: tag ?? 0)
    }

    private static let own = PacketFilter(
        etherTypes: [lldp, ecp], groups: [customerBridge, nearestBridge], interfaceIndex: port, snapLength: 5000)
    private static let strays = PacketFilter(
        straysOf: [lldp, ecp], groups: [customerBridge, nearestBridge], interfaceIndex: port)

    @Test("SEC-11 the port's filter takes LLDP and ECP to its groups, untagged or tagged for priority")
    func accepted() throws {
        for frame in [
            Self.frame(), Self.frame(to: Self.nearestBridge), Self.frame(Self.lldp), Self.frame(tag: 0),
            // Priority 7, DEI.
            Self.frame(tag: 0xF000), Self.frame(length: 9000), Self.frame(length: 14),
        ] {
            #expect(try FilterMachine.run(Self.own.instructions, over: frame) == 5000, "\(frame)")
            #expect(try FilterMachine.run(Self.strays.instructions, over: frame) == 0, "\(frame)")
        }
        // Without a tag the number is what is left of one that a VLAN device, itself the port, has taken off.
        var behind = Self.frame()
        behind.tag = 10
        #expect(try FilterMachine.run(Self.own.instructions, over: behind) == 5000)
    }

    @Test("SCH-186 where devices above the port are ports too, what comes by them is no stray of the port")
    func devicesAbove() throws {
        let filter = PacketFilter(
            straysOf: [Self.lldp, Self.ecp], reading: Self.lldp, groups: [Self.customerBridge, Self.nearestBridge],
            interfaceIndex: Self.port, withDevicesAbove: false)
        for etherType in [Self.lldp, Self.ecp] {
            let above = Self.frame(etherType, on: Self.port + 1)
            #expect(try FilterMachine.run(filter.instructions, over: above) == 0)
            #expect(try FilterMachine.run(Self.strays.instructions, over: above) > 0)
            // A socket for everything has it before the device: with its S-tag beside it, on the port.
            var channel = Self.frame(etherType, tag: 10)
            channel.tagType = 0x88A8
            #expect(try FilterMachine.run(filter.instructions, over: channel) == 0)
            #expect(try FilterMachine.run(Self.strays.instructions, over: channel) > 0)
            // In a VLAN without a device, and to another address, on the port itself.
            let tagged = Self.frame(etherType, tag: 10)
            let elsewhere = Self.frame(to: HardwareAddress(0x0200_0000_00AA), etherType, type: PACKET_HOST)
            for frame in [tagged, elsewhere] {
                #expect(try FilterMachine.run(filter.instructions, over: frame) > 0, "\(frame)")
            }
        }
    }

    @Test("SEC-11 the port's filter drops what is for other addresses, in VLANs, or on other devices; that is a stray")
    func dropped() throws {
        let frames: [(FilteredFrame, reason: String)] = [
            (Self.frame(to: HardwareAddress(0x0200_0000_00AA), type: PACKET_HOST), "for this host"),
            (Self.frame(to: HardwareAddress(0x0200_0000_00AB), type: PACKET_OTHERHOST), "for another host"),
            (Self.frame(to: HardwareAddress(0xFFFF_FFFF_FFFF), type: PACKET_BROADCAST), "broadcast"),
            (Self.frame(to: HardwareAddress(0x0180_C200_0003)), "to a group that is not the port's"),
            (Self.frame(to: Self.further), "to a further group that is not configured"),
            (Self.frame(to: HardwareAddress(0x0380_C200_0000)), "the last four octets alone are a group's"),
            (Self.frame(to: HardwareAddress(0x0180_C200_0001)), "the first two octets alone are a group's"),
            (Self.frame(type: PACKET_HOST), "a group's address, and not classed so"),
            (Self.frame(type: PACKET_OTHERHOST), "of a VLAN that this host does not have"),
            (Self.frame(tag: 10), "in VLAN 10"), (Self.frame(tag: 0xEFFF), "in VLAN 4095, with a priority"),
            (Self.frame(tag: 1), "in VLAN 1"), (Self.frame(Self.lldp, tag: 0x2800), "in VLAN 2048"),
            (Self.frame(on: 7), "on a VLAN device of the port"),
            (Self.frame(Self.lldp, on: Self.port ^ 0x0100_0000), "on a device whose index differs in the first octet"),
        ]
        for (frame, reason) in frames {
            #expect(try FilterMachine.run(Self.own.instructions, over: frame) == 0, "\(reason)")
            #expect(
                try FilterMachine.run(Self.strays.instructions, over: frame) == UInt32(PacketFilter.strayLength),
                "\(reason)")
        }
    }

    @Test("SEC-11 other protocols, frames of this host and runts are neither the port's nor strays")
    func ignored() throws {
        for frame in [
            Self.frame(0x0800), Self.frame(Self.ecp + 1), Self.frame(to: Self.neighbour, 0x0800, type: PACKET_HOST),
            Self.frame(type: PACKET_OUTGOING), Self.frame(to: Self.neighbour, type: PACKET_OUTGOING),
            Self.frame(length: 13), Self.frame(length: 0),
        ] {
            #expect(try FilterMachine.run(Self.own.instructions, over: frame) == 0, "\(frame)")
            #expect(try FilterMachine.run(Self.strays.instructions, over: frame) == 0, "\(frame)")
        }
    }

    @Test("SEC-11 a further group is taken where the filter names it")
    func furtherGroup() throws {
        let filter = PacketFilter(
            etherTypes: [Self.ecp], groups: [Self.customerBridge, Self.further], interfaceIndex: Self.port,
            snapLength: 99)
        #expect(try FilterMachine.run(filter.instructions, over: Self.frame(to: Self.further)) == 99)
        #expect(try FilterMachine.run(filter.instructions, over: Self.frame(to: Self.nearestBridge)) == 0)
    }

    @Test("SEC-11 the programs do what the rule in words says, over random frames; EVBD_SEED repeats a run")
    func property() throws {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: 0...UInt64.max)
        print("PacketFilterTests: EVBD_SEED=\(seed)")
        var random = SplitMix64(seed: seed)
        for round in 0..<4000 {
            let rule = Rule(&random)
            let program = rule.filter.instructions
            let strays = rule.strayFilter.instructions
            for _ in 0..<8 {
                let frame = rule.frame(&random)
                let (isOwn, isStray) = (rule.takes(frame), rule.isStray(frame))
                let hint: Comment = "round \(round), EVBD_SEED=\(seed): \(frame) by \(rule)"
                try #require(try FilterMachine.run(program, over: frame) == (isOwn ? 1500 : 0), hint)
                try #require(
                    try FilterMachine.run(strays, over: frame) == (isStray ? UInt32(PacketFilter.strayLength) : 0), hint
                )
                let isRead = frame.octets.count >= 14 && frame.octets[12] == 0x88 && frame.octets[13] == 0xCC
                let length = isRead ? PacketFilter.readStrayLength : PacketFilter.strayLength
                try #require(
                    try FilterMachine.run(rule.readingFilter.instructions, over: frame)
                        == (isStray ? UInt32(length) : 0), hint)
            }
        }
    }
}

/// What a filter is to do, in plain Swift, with settings and frames at random.
private struct Rule {
    var etherTypes: [UInt16]
    var groups: [UInt64]
    var interfaceIndex: Int32
    var sources: FrameSources

    /// A few values that differ in one place, so that both answers come up.
    private static let addresses: [UInt64] = [
        0x0180_C200_0000, 0x0180_C200_000E, 0x0180_C200_0003, 0x0380_C200_0000, 0x0100_0D00_0F0A, 0xFFFF_FFFF_FFFF,
        0x0200_0000_0001, 0x0200_0000_0002, 0x0300_0000_0001, 0,
    ]
    private static let kinds: [UInt16] = [0x88CC, 0x8940, 0x88B7, 0x0800, 0x8100, 0x88A8]

    init(_ random: inout some RandomNumberGenerator) {
        etherTypes = Array(Self.kinds.shuffled(using: &random).prefix(Int.random(in: 1...4, using: &random)))
        groups = Array(Self.addresses.shuffled(using: &random).prefix(Int.random(in: 0...4, using: &random)))
        interfaceIndex = Int32.random(in: 1...3, using: &random)
        let some = Self.addresses.shuffled(using: &random).prefix(Int.random(in: 0...8, using: &random))
        let named = some.map { HardwareAddress($0) }
        sources = [.any, .only(named), .except(named)].randomElement(using: &random) ?? .any
    }

    private var addresses: [HardwareAddress] { groups.map { HardwareAddress($0) } }

    var filter: PacketFilter {
        PacketFilter(
            etherTypes: etherTypes, groups: addresses, interfaceIndex: interfaceIndex, sources: sources,
            snapLength: 1500)
    }

    var strayFilter: PacketFilter {
        PacketFilter(straysOf: etherTypes, groups: addresses, interfaceIndex: interfaceIndex)
    }

    var readingFilter: PacketFilter {
        PacketFilter(straysOf: etherTypes, reading: 0x88CC, groups: addresses, interfaceIndex: interfaceIndex)
    }

    func frame(_ random: inout some RandomNumberGenerator) -> FilteredFrame {
        func any<Value>(_ values: [Value], or else: [Value]) -> Value {
            // Half of the time one that the rule names.
            let named = values.isEmpty || Bool.random(using: &random) ? `else` : values
            return named[Int.random(in: named.indices, using: &random)]
        }
        let destination = HardwareAddress(any(groups, or: Self.addresses))
        let source = HardwareAddress(any(Self.addresses, or: Self.addresses))
        let etherType = any(etherTypes, or: Self.kinds)
        var octets = destination.octets + source.octets + [UInt8(etherType >> 8), UInt8(etherType & 0xFF)]
        octets += (0..<Int.random(in: 0...60, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        if Int.random(in: 0..<10, using: &random) == 0 {
            octets = Array(octets.prefix(Int.random(in: 0...octets.count, using: &random)))
        }
        return FilteredFrame(
            octets: octets, packetType: any([2, 2, 2], or: [0, 1, 2, 3, 4]),
            interfaceIndex: any([interfaceIndex], or: [1, 2, 3, 257]), isTagPresent: any([false], or: [false, true]),
            tag: any([0, 0xE000], or: [1, 10, 0x1000, 0xFFFF]))
    }

    private func etherType(_ frame: FilteredFrame) -> UInt16? {
        frame.octets.count < 14 ? nil : UInt16(frame.octets[12]) << 8 | UInt16(frame.octets[13])
    }

    /// Untagged or of VLAN 0, to one of the groups, or to the host where its own address is among them, by the port's own link.
    private func isOwn(_ frame: FilteredFrame) -> Bool {
        let destination = frame.octets.prefix(6).reduce(0) { $0 << 8 | UInt64($1) }
        return frame.interfaceIndex == interfaceIndex && !(frame.isTagPresent && frame.tag % 4096 != 0)
            && (frame.packetType == 2 || frame.packetType == 0 && groups.contains { $0 >> 40 & 1 == 0 })
            && groups.contains(destination)
    }

    func takes(_ frame: FilteredFrame) -> Bool {
        guard let etherType = etherType(frame), etherTypes.contains(etherType), isOwn(frame) else { return false }
        let source = HardwareAddress(frame.octets[6..<12].reduce(0) { $0 << 8 | UInt64($1) })
        switch sources {
        case .any: return true
        case .only(let named): return named.contains(source)
        case .except(let named): return !named.contains(source)
        }
    }

    func isStray(_ frame: FilteredFrame) -> Bool {
        guard let etherType = etherType(frame), etherTypes.contains(etherType), frame.packetType != 4 else {
            return false
        }
        return !isOwn(frame)
    }
}
