import Glibc
import LinuxSystem
import Netlink
import NetnsSupport
import Testing

/// The addresses that a link takes frames for beside its own.
@Suite(.enabled(if: inOwnNamespace, "needs root in a network namespace of its own: EVBD_TEST_NETNS=1 unshare -n"))
struct ForwardingTableTests {
    private let one = HardwareAddress(0x5254_0000_0001)
    private let two = HardwareAddress(0x5254_0000_0002)

    @Test("SEC-412 the addresses of macvlans that are up are in their link's own table; others' and groups are not")
    func macvlans() throws {
        let pair = try VethPair("fdba")
        let table = try ForwardingTable()
        let read = { try table.ownAddresses(index: pair.oneIndex, limit: 10) }
        #expect(try read() == OwnAddresses())
        try run("ip link add fdba-m link \(pair.one) address \(one) type macvlan mode vepa")
        #expect(try read() == OwnAddresses(), "it is down")
        try run("ip link set fdba-m up")
        try run("bridge fdb add \(two) dev \(pair.two) self permanent")
        #expect(try read().addresses == [one])
        #expect(try table.ownAddresses(index: pair.twoIndex, limit: 10).addresses == [two])
        try run("ip link add fdba-br type bridge")
        try run("ip link set \(pair.two) master fdba-br")
        let inBridge = try table.ownAddresses(index: pair.twoIndex, limit: 10)
        #expect(inBridge.addresses == [two], "what the bridge has is not")
        try run("ip link delete fdba-m")
        #expect(try read() == OwnAddresses())
        try run("ip link delete fdba-br")
        #expect(try table.ownAddresses(index: 0x7FFF_FFFF, limit: 10) == OwnAddresses(), "there is no such link")
    }

    @Test("SEC-413 a table of thousands of addresses is read up to a limit, and says so")
    func many() throws {
        let pair = try VethPair("fdbb")
        let count = 10_000
        var script = ""
        for number in 1...count {
            script += "fdb add \(HardwareAddress(0x5254_0000_0000 + UInt64(number))) dev \(pair.one) self permanent\n"
        }
        let path = "/tmp/fdbb-\(getpid())"
        let file = try #require(fopen(path, "w"))
        fputs(script, file)
        fclose(file)
        defer { unlink(path) }
        try run("bridge -batch \(path)")
        let table = try ForwardingTable()
        let clock = ContinuousClock()
        let start = clock.now
        let all = try table.ownAddresses(index: pair.oneIndex, limit: 65_536)
        print("\(count) addresses are read in \(clock.now - start)")
        #expect(all.addresses.count == count && !all.isTruncated)
        let some = try table.ownAddresses(index: pair.oneIndex, limit: 100)
        #expect(some.addresses.count == 100 && some.isTruncated)
        #expect(some.addresses.isSubset(of: all.addresses))
    }
}
