import EVBTime
import Glibc
import LinuxSystem
import NetnsSupport
import PacketSocket
import Testing

@testable import EVBPorts
@testable import EventLoop

private let ecp: UInt16 = 0x8940
private let group = HardwareAddress(0x0180_C200_0000)
private let neighbour = HardwareAddress(0x0200_0000_0001)
private let stranger = HardwareAddress(0x0200_0000_0002)

/// One end of a cable floods, and listeners hear it at the other.
private final class Bench {
    let loop: EventLoop
    let timers: Timers
    private let name: String
    private let sender: PacketSocket

    init(_ name: String) throws {
        self.name = name
        loop = try EventLoop()
        timers = Timers(loop: loop)
        try run("ip link add \(name)-a type veth peer name \(name)-b")
        for end in ["\(name)-a", "\(name)-b"] { try run("ip link set \(end) addrgenmode none up") }
        sender = try PacketSocket(
            interfaceIndex: Int32(if_nametoindex("\(name)-a")), etherTypes: [0x9999], groups: [], tap: .protocols)
    }

    deinit { try? run("ip link delete \(name)-a") }

    func listen(
        _ sources: FrameSources, _ allowance: PortListener.Allowance, take: @escaping (UInt8) -> Void,
        onFlood: @escaping () -> Void = {}
    ) throws -> PortListener {
        let socket = try PacketSocket(
            interfaceIndex: Int32(if_nametoindex("\(name)-b")), etherTypes: [ecp], groups: [group], sources: sources,
            tap: .protocols)
        return try PortListener(
            socket, allowance, loop: loop, timers: timers, take: { take($0[14]) }, onFlood: onFlood)
    }

    /// Sends a frame whose first octet of payload is `mark`.
    func send(from source: HardwareAddress, mark: UInt8 = 0, length: Int = 60) {
        let head = group.octets + source.octets + [UInt8(ecp >> 8), UInt8(ecp & 0xFF), mark]
        try? (head + [UInt8](repeating: 0, count: length - head.count)).withUnsafeBytes { try sender.send($0) }
    }

    /// Calls `work` every millisecond until it says that it is over.
    func everyMillisecond(_ work: @escaping () -> Bool) throws {
        var timer: Timers.Timer?
        timer = timers.timer { [loop, timers] in
            if work() { loop.stop() } else { timer?.set(timers.now + .milliseconds(1)) }
        }
        timer?.set(timers.now)
        try loop.run()
        timer = nil
    }
}

/// What a flood leaves of a listener.
@Suite(.enabled(if: inOwnNamespace, "needs root in a network namespace of its own: EVBD_TEST_NETNS=1 unshare -n"))
struct PortListenerTests {
    @Test func aFloodIsLeftInTheKernelAndWhatComesAfterItIsHeard() throws {
        let bench = try Bench("plafter")
        var taken = 0
        var floods = 0
        var isHeard = false
        let listener = try bench.listen(.any, .others) { mark in
            taken += 1
            if mark == 1 { isHeard = true }
        } onFlood: {
            floods += 1
        }
        let began = bench.timers.now
        var turns = 0
        try bench.everyMillisecond {
            turns += 1
            let isFlood = turns <= 100
            for _ in 0..<(isFlood ? 100 : 1) { bench.send(from: stranger, mark: isFlood ? 0 : 1) }
            return isHeard || turns > 20_000
        }
        let milliseconds = Int(bench.timers.now.since(began).nanoseconds / 1_000_000)
        #expect(isHeard)
        #expect(floods > 0)
        // 2,000 at once and 2,000 a second.
        #expect(taken <= 2000 + 2 * (milliseconds + 1), "of more than 10,000 in \(milliseconds) ms")
        #expect(listener.kernelDrops > 0)
        listener.close()
    }

    @Test("SEC-77 a frame counts for as many as it may have VSIs")
    func costs() {
        // The header, the manager and one VSI with a MAC address, without and with an end TLV; and the longest frame, of 42.
        #expect(PortListener.cost(ofLength: 60) == 1 && PortListener.cost(ofLength: 73) == 1)
        #expect((42...44).contains(PortListener.cost(ofLength: 1514)))
        #expect(PortListener.cost(ofLength: 0) == 1 && PortListener.cost(ofLength: .max) > 1000)
    }

    @Test("SEC-77 of frames full of VSIs as much is taken as of short ones, by what is in them")
    func fullFrames() throws {
        let bench = try Bench("plfull")
        var taken = 0
        let listener = try bench.listen(.any, .neighbour) { _ in taken += 1 }
        let began = bench.timers.now
        var turns = 0
        try bench.everyMillisecond {
            turns += 1
            for _ in 0..<50 { bench.send(from: stranger, length: 1514) }
            return bench.timers.now.since(began) > .milliseconds(700)
        }
        let milliseconds = Int(bench.timers.now.since(began).nanoseconds / 1_000_000)
        let cost = Int(PortListener.cost(ofLength: 1514))
        // 60,000 at once and 10,000 a second, and a frame that overdraws, which is paid for later.
        #expect(taken * cost <= 60_000 + 10 * (milliseconds + 1) + 2 * cost, "\(taken) in \(milliseconds) ms")
        #expect(taken * cost >= 10_000, "\(taken)")
        listener.close()
    }

    @Test func aFloodOfStrangersTakesNothingFromTheNeighbour() throws {
        let bench = try Bench("plbeside")
        var (mine, others) = (0, 0)
        let one = try bench.listen(.only([neighbour]), .neighbour) { _ in mine += 1 }
        let rest = try bench.listen(.except([neighbour]), .others) { _ in others += 1 }
        var turns = 0
        try bench.everyMillisecond {
            turns += 1
            if turns <= 200 {
                for _ in 0..<100 { bench.send(from: stranger) }
                bench.send(from: neighbour)
            }
            return turns > 300
        }
        // Some may get lost on the way here; of the others' share the neighbour would have had some twenty.
        #expect(mine >= 150)
        #expect(others < 10_000)
        one.close()
        rest.close()
    }
}
