// An uplink of either side of CDCP between neighbours, a clock and an operator, all three made of the input's octets.

import EVBTime
import EVBWire

@testable import EVBProtocol

/// Reads an input as instructions for an uplink, and checks after each what has to hold whatever happens.
///
/// The first octet chooses the side. An instruction is one octet, of which three bits count, and its operands.
struct UplinkDriver<Machine: CDCPMachine> {
    private static var stepsMax: Int { 60 }

    private var uplink: CDCPUplink<Machine>
    private let configuration: (UInt8) -> Machine.Configuration
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var input: DriverInput
    private var isLinkUp = false
    /// The channels as their owner knows them by the effects.
    private var told: [SCID: SVID] = [:]

    private mutating func run() {
        setLink(up: true)
        for _ in 0..<Self.stepsMax where !input.isEmpty { step() }
        pass(.seconds(86_400))
        require(uplink.peer == nil && told.isEmpty, "channels of a neighbour that has been silent for a day")
        setLink(up: false)
        require(uplink.nextDeadline == nil, "a deadline on a dead link")
    }

    private mutating func step() {
        switch input.next() % 8 {
        case 0, 1, 2: hear()
        case 3: pass(.exponent(input.next() % 24))
        case 4: if let next = uplink.nextDeadline { pass(next.since(now)) }
        case 5: setLink(up: !isLinkUp)
        case 6:
            let bits = input.next()
            act { [configuration, now] in $0.reconfigure(configuration(bits), at: now) }
        default: hearOctets()
        }
    }

    /// A neighbour's LLDPDU with up to three TLVs of up to seven pairs.
    private mutating func hear() {
        let head = input.next()
        let tlvs = (0..<Int(head & 0x03)).map { _ -> LLDPDU.OptionalTLV in
            let flags = input.next()
            var pairs: [SChannelPair] = flags & 0x80 == 0 ? [.default] : []
            pairs += (0..<Int(flags & 0x07)).map { _ in SChannelPair(SCID(input.word() % 12), SVID(input.word())) }
            return .cdcp(
                CDCPTLV(
                    role: flags & 0x40 == 0 ? Machine.role.peer : Machine.role, hasSComponent: flags & 0x20 == 0,
                    capacity: flags & 0x10 == 0 ? 167 : input.word(), pairs: pairs))
        }
        var frame = input.lldpdu(of: head >> 4, tlvs)
        frame.destination = head & 0x04 == 0 ? .nearestNonTPMRBridge : .nearestCustomerBridge
        let now = now
        act { $0.take(frame, at: now) }
    }

    /// A TLV of any octets.
    private mutating func hearOctets() {
        let octets = input.octets(Int(input.next()))
        guard octets.count >= 4 else { return }
        var frame = Frame(
            destination: .nearestNonTPMRBridge, source: DriverInput.peer(0),
            payload: .lldp(LLDPDU(chassisID: .chassis(DriverInput.peer(0)), portID: .local("p"), timeToLive: 120)))
        var raw = frame.encoded(padded: false).dropLast(2)
        raw += [0xFE, UInt8(octets.count)] + octets + [0, 0]
        guard let read = try? Frame(decoding: Array(raw)) else { return }
        frame = read
        let now = now
        act { $0.take(frame, at: now) }
    }

    private mutating func pass(_ interval: Interval) {
        now = now + interval
        let now = now
        act { $0.advance(to: now) }
    }

    private mutating func setLink(up: Bool) {
        isLinkUp = up
        let now = now
        act { $0.setLink(up: up, at: now) }
    }

    private mutating func act(_ body: (inout CDCPUplink<Machine>) -> [CDCPUplink<Machine>.Effect]) {
        let effects = body(&uplink)
        require(effects.count <= 2 * CDCPTLV.channelsMax + 20, "\(effects.count) effects of one event")
        for effect in effects { follow(effect) }
        let channels = uplink.machine.channels
        require(told == channels, "told of \(told), has \(channels)")
        require(Set(channels.values).count == channels.count, "two channels with one SVID: \(channels)")
        require(channels.allSatisfy { $0.key > .default && $0.value.isAssignable }, "\(channels)")
        require(channels.isEmpty || uplink.peer != nil, "channels without a neighbour")
        require(Set(uplink.faults.map(\.kind)).count == uplink.faults.count, "\(uplink.faults)")
        let pairs = uplink.machine.outgoing.pairs
        require(pairs.first == .default && pairs.count <= CDCPTLV.channelsMax, "sends \(pairs)")
        require(Set(pairs.map(\.scid)).count == pairs.count, "sends an SCID twice: \(pairs)")
        let given = pairs.map(\.svid).filter { $0 != .unassigned }
        require(Set(given).count == given.count, "sends an SVID twice: \(pairs)")
    }

    private mutating func follow(_ effect: CDCPUplink<Machine>.Effect) {
        switch effect {
        case .channel(let event):
            switch event.change {
            case .up(let svid):
                require(told[event.scid] == nil, "up twice: \(event)")
                told[event.scid] = svid
            case .moved(let before, let svid):
                require(told[event.scid] == before && svid != before, "moved from elsewhere: \(event)")
                told[event.scid] = svid
            case .down: require(told.removeValue(forKey: event.scid) != nil, "down twice: \(event)")
            }
        case .transmit(let frame):
            require((try? Frame(decoding: frame.encoded())) == frame, "sends what it cannot read: \(frame)")
            require(frame.destination == .nearestNonTPMRBridge, "sends to \(frame.destination)")
        case .fault: break
        }
    }
}

extension UplinkDriver where Machine == CDCPStation {
    static func runStation(_ octets: ArraySlice<UInt8>) {
        func configuration(_ bits: UInt8) -> CDCPStation.Configuration {
            let wanted = (2...9).filter { bits & 1 << UInt8($0 - 2) != 0 }.map { (SCID($0), SVID($0 == 5 ? 30 : 0)) }
            return CDCPStation.Configuration(capacity: Int(bits >> 4), wanted: Dictionary(uniqueKeysWithValues: wanted))
        }
        let machine = CDCPStation(configuration: configuration(0xFF), last: [SCID(3): SVID(30), SCID(4): SVID(30)])
        var driver = UplinkDriver(
            uplink: uplink(machine), configuration: configuration, input: DriverInput(Array(octets)))
        driver.run()
    }
}

extension UplinkDriver where Machine == CDCPBridge {
    static func runBridge(_ octets: ArraySlice<UInt8>) {
        func configuration(_ bits: UInt8) -> CDCPBridge.Configuration {
            let low = UInt16(bits & 0x0F)
            return CDCPBridge.Configuration(capacity: Int(bits >> 4), svids: SVIDPool([low...low + 5, 4090...4095]))
        }
        var driver = UplinkDriver(
            uplink: uplink(CDCPBridge(configuration: configuration(0xF2))), configuration: configuration,
            input: DriverInput(Array(octets)))
        driver.run()
    }
}

extension UplinkDriver {
    private init(
        uplink: CDCPUplink<Machine>, configuration: @escaping (UInt8) -> Machine.Configuration, input: DriverInput
    ) {
        self.uplink = uplink
        self.configuration = configuration
        self.input = input
    }

    private static func uplink(_ machine: Machine) -> CDCPUplink<Machine> {
        let own = MACAddress(truncating: 0x5254_0000_0001)
        return CDCPUplink(machine: machine, of: .init(address: own, chassis: own, interfaceName: "up0"))
    }
}
