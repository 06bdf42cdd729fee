import EVBWire
import Glibc
import LinuxSystem
import Testing
import VSISamples

@testable import EVBDaemon
@testable import EdgeRelays

/// Which addresses a port's gate closes.
@Suite struct ClosedAddressesTests {
    private static func vsi(_ number: UInt8) -> VSIID {
        VSIID(format: .uuid, high: 0, low: UInt64(number))
    }
    private let one = vsi(1)
    private let two = vsi(2)
    private let first = HardwareAddress(0x5254_0000_0001)
    private let second = HardwareAddress(0x5254_0000_0002)

    private func change(_ address: HardwareAddress, _ isClosed: Bool) -> ClosedAddresses.Change {
        ClosedAddresses.Change(address: address, isClosed: isClosed)
    }

    @Test("SEC-501 a VSI's addresses are closed until it is associated, and again after")
    func oneVSI() {
        var closed = ClosedAddresses(isOn: true)
        #expect(closed.set(one, open: [], closed: [first]) == [change(first, true)])
        #expect(closed.set(one, open: [], closed: [first]).isEmpty)
        #expect(closed.set(one, open: [first], closed: [second]) == [change(first, false), change(second, true)])
        #expect(closed.openAddresses(of: one) == [first])
        #expect(closed.set(one, open: [], closed: [first]) == [change(first, true), change(second, false)])
        #expect(closed.forget(one) == [change(first, false)])
        #expect(closed.current.isEmpty)
    }

    @Test("SEC-502 an address that another associated VSI has is open, and closed when that one ends")
    func shared() {
        var closed = ClosedAddresses(isOn: true)
        _ = closed.set(one, open: [first], closed: [])
        #expect(closed.set(two, open: [], closed: [first]).isEmpty)
        #expect(closed.forget(one) == [change(first, true)])
    }

    @Test("SEC-503 what a VSI leaves with its link stays closed until the link is gone or a VSI claims it")
    func handedBack() {
        var closed = ClosedAddresses(isOn: true)
        _ = closed.set(one, open: [first, second], closed: [])
        #expect(closed.handBack(one, link: 9) == [change(first, true), change(second, true)])
        #expect(closed.set(two, open: [first], closed: []) == [change(first, false)])
        #expect(closed.forget(two).isEmpty, "claimed once, it is that VSI's")
        #expect(closed.linkGone(9) == [change(second, false)])
        #expect(closed.linkGone(9).isEmpty && !closed.keepsClosed(link: 9))
    }

    @Test("SEC-504 with gate: none nothing is closed; the host's own addresses never are")
    func off() {
        var closed = ClosedAddresses(isOn: false)
        #expect(closed.set(one, open: [], closed: [first, second]).isEmpty)
        #expect(closed.setExempt([second]).isEmpty)
        #expect(closed.setOn(true) == [change(first, true)])
        #expect(closed.setExempt([]) == [change(second, true)])
        #expect(closed.setExempt([first]) == [change(first, false)])
        #expect(closed.setOn(false) == [change(second, false)])
    }

    @Test("SEC-505 what an earlier run has closed becomes what is to be closed, without opening what stays")
    func adopted() {
        var closed = ClosedAddresses(isOn: true)
        _ = closed.set(one, open: [], closed: [first])
        let third = HardwareAddress(0x5254_0000_0003)
        #expect(closed.adopt([first, third]) == [change(third, false)])
        #expect(closed.adopt([]) == [change(first, true)])
    }

    @Test("SEC-506 closing has no limit: each link without a VSI keeps all its addresses closed, and they are counted")
    func unlimited() {
        var closed = ClosedAddresses(isOn: true)
        let count = 20_000
        for index in 0..<Int32(count) {
            #expect(closed.keepClosed([HardwareAddress(UInt64(index) + 1)], link: index).count == 1)
        }
        #expect(closed.current.count == count && closed.keptCount == count)
        #expect(closed.keepClosed([first], link: 7) == [change(first, true)])
        #expect(closed.keptCount == count + 1, "beside what the link keeps closed already")
        #expect(closed.linkGone(7) == [change(HardwareAddress(8), false), change(first, false)])
        #expect(closed.keptCount == count - 1)
    }

    @Test("SEC-512 an address of a link that the host may not see is closed while the port's table has it, or a VSI")
    func unseenLinks() {
        var closed = ClosedAddresses(isOn: true)
        #expect(closed.keepClosedUnseen([first, second], after: 3).count == 2)
        #expect(closed.hasUnseen)
        #expect(closed.tableRead(3, []).isEmpty, "that read began before")
        #expect(closed.tableRead(4, [second]) == [change(first, false)])
        #expect(closed.tableRead(5, [second]).isEmpty)
        #expect(closed.set(one, open: [second], closed: []) == [change(second, false)])
        #expect(!closed.hasUnseen && closed.keptCount == 0 && closed.isOfVSI(second) && !closed.isOfVSI(first))
        #expect(closed.forget(one).isEmpty, "claimed once, it is that VSI's")
        #expect(!closed.isOfVSI(second))
        #expect(closed.keepClosed([first], link: 9) == [change(first, true)])
        #expect(closed.linkDeparted(9, after: 6).isEmpty)
        #expect(closed.keptCount == 1)
        #expect(closed.tableRead(6, []).isEmpty)
        #expect(closed.tableRead(7, []) == [change(first, false)])
        #expect(closed.keptCount == 0)
    }

    @Test("SEC-507 random walks agree with a count of all claims")
    func walks() throws {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 0 ... .max)
        print("EVBD_SEED=\(seed)")
        var state = seed
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(bound))
        }
        func someAddresses() -> Set<HardwareAddress> {
            Set((0..<random(3)).map { _ in HardwareAddress(UInt64(1 + random(5))) })
        }
        var closed = ClosedAddresses(isOn: true)
        var seen: Set<HardwareAddress> = []
        var open: [UInt8: Set<HardwareAddress>] = [:]
        var shut: [UInt8: Set<HardwareAddress>] = [:]
        var links: [Int32: Set<HardwareAddress>] = [:]
        for step in 0..<3000 {
            let number = UInt8(1 + random(4))
            let index = Int32(random(3))
            var changes: [ClosedAddresses.Change]
            switch random(4) {
            case 0, 1:
                let (granted, refused) = (someAddresses(), someAddresses())
                changes = closed.set(Self.vsi(number), open: AddressSet(granted), closed: AddressSet(refused))
                // What a VSI has said before takes nothing from a link that was handed back since.
                guard open[number] != granted || shut[number] != refused.subtracting(granted) else { continue }
                open[number] = granted
                shut[number] = refused.subtracting(granted)
                for link in links.keys { links[link]?.subtract(granted.union(refused)) }
            case 2:
                changes = closed.handBack(Self.vsi(number), link: index)
                if let granted = open[number] {
                    links[index, default: []].formUnion(granted.union(shut[number] ?? []))
                    open[number] = nil
                    shut[number] = nil
                }
            default:
                changes = closed.linkGone(index)
                links[index] = nil
            }
            for item in changes {
                if item.isClosed { seen.insert(item.address) } else { seen.remove(item.address) }
            }
            let opened = open.values.reduce(into: Set<HardwareAddress>()) { $0.formUnion($1) }
            let claimed = (Array(shut.values) + Array(links.values)).reduce(into: Set()) { $0.formUnion($1) }
            try #require(seen == claimed.subtracting(opened), "step \(step), EVBD_SEED=\(seed)")
            try #require(closed.current == seen)
        }
    }
}
