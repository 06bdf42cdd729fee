import EVBProtocol
import EVBTime
import EVBWire
import Glibc
import LinuxSystem
import Logging
import Netlink
import Testing

@testable import EVBPorts
@testable import EVBStation
@testable import EdgeRelays
@testable import EventLoop

/// A directory of a test's own, removed at its end.
private final class Scratch {
    let path: String

    init() throws {
        var template = Array("/tmp/evbd-store-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit {
        for name in (try? Files.list("\(path)/vsis", limit: 1000)) ?? [] { unlink("\(path)/vsis/\(name)") }
        rmdir("\(path)/vsis")
        for name in (try? Files.list(path, limit: 1000)) ?? [] {
            for inner in (try? Files.list("\(path)/\(name)", limit: 1000)) ?? [] { unlink("\(path)/\(name)/\(inner)") }
            rmdir("\(path)/\(name)")
        }
        rmdir(path)
    }

    var store: VSIStore { VSIStore(runtimeDirectory: path, logger: Logger(label: "test")) }

    func names() throws -> [String] { try Files.list("\(path)/vsis", limit: 1000) }

    func write(_ name: String, _ text: String, mode: UInt32 = 0o600) throws {
        try Files.write("\(path)/vsis/\(name)", Array(text.utf8), mode: mode)
    }
}

extension VSIStore {
    fileprivate func taken(port: String) -> [StoredVSI] { take(port: port).flatMap(\.self) }
}

private func stored(
    _ number: UInt64 = 1, port: String = "eth0", link: EdgeRelay.Demand? = nil
) throws -> StoredVSI {
    let filter = try FilterInfo(checking: [
        FilterEntry(vid: 100, pcp: 3, macAddress: MACAddress(truncating: 0x5254_0000_0001), groupID: 7)
    ])
    return StoredVSI(
        port: port,
        request: EVBProtocol.VSIRequest(
            vsiID: VSIID(format: .uuid, high: 0xE7BD, low: number), target: .preAssociatedWithReservation,
            managerID: VSIManagerID(short: 5, placement: .last), typeID: 0xFF_FFFF, typeVersion: 255, filter: filter,
            hint: .migrating, organizational: [OrganizationalInformation(oui: 0x0050_C2, octets: [1, 2, 255])],
            persistence: .once),
        link: link, owner: .libvirt(eventPort: 0xFFFF_FFFF), isGranted: true, isWithdrawn: false)
}

@Suite struct VSIStoreTests {
    @Test("VDP-36 what is kept comes back whole, once, for its port")
    func thereAndBack() throws {
        let scratch = try Scratch()
        let make = EdgeRelay.Demand.make(
            EdgeRelay.Specification(
                name: "vm1", kind: .macvlan, mode: .source, address: MACAddress(truncating: 0x5254_0000_0001),
                mtu: 9000,
                sources: [MACAddress(truncating: 0x5254_0000_0002)]))
        let multicast = EdgeRelay.Demand.make(
            EdgeRelay.Specification(
                name: "vm5", kind: .macvtap, address: MACAddress(truncating: 0x5254_0000_0005), allmulticast: true))
        let find = EdgeRelay.Demand.find(name: nil, addresses: [MACAddress(truncating: 0x5254_0000_0001)])
        let function = EdgeRelay.Demand.function(
            VirtualFunctions.Demand(number: 7, address: MACAddress(truncating: 0x5254_0000_0001), priority: 3))
        let vsis = [
            try stored(1, link: make), try stored(2, link: find), try stored(3, link: function),
            try stored(4, port: "eth1", link: multicast),
        ]
        let first = scratch.store
        for vsi in vsis { try first.keep(vsi) }
        let second = scratch.store
        #expect(second.untakenPorts == ["eth0", "eth1"])
        #expect(second.taken(port: "eth0") == Array(vsis[..<3]))
        #expect(second.taken(port: "eth0").isEmpty)
        #expect(second.taken(port: "eth1") == [vsis[3]])
        second.remove(vsis[0].request.vsiID, port: "eth0")
        second.remove(vsis[0].request.vsiID, port: "eth0")
        #expect(scratch.store.taken(port: "eth0") == Array(vsis[1..<3]))
    }

    @Test(
        "OPS-402 a label is kept; files without one, or with one that may not be, are read; an older evbd reads those with one"
    )
    func labels() throws {
        var vsi = try stored()
        let before = String(decoding: vsi.encoded, as: UTF8.self)
        #expect(!before.contains("label"))
        vsi.label = "Web \u{65e5}"
        let text = String(decoding: vsi.encoded, as: UTF8.self)
        #expect(try StoredVSI(decoding: Array(text.utf8)) == vsi)
        #expect(
            text.contains("\"version\":1"),
            "an older evbd takes this version, and passes over keys that it does not know")
        #expect(try StoredVSI(decoding: Array(before.utf8)).label == nil)
        let foreign = before.replacing("\"version\":1", with: "\"key\":[1],\"version\":1")
        #expect(try StoredVSI(decoding: Array(foreign.utf8)).label == nil)
        for wrong in ["\u{1B}[2J", "", String(repeating: "x", count: 65)] {
            vsi.label = wrong
            #expect(try StoredVSI(decoding: vsi.encoded).label == nil)
        }
    }

    @Test func theLatestCounts() throws {
        let scratch = try Scratch()
        var vsi = try stored()
        let store = scratch.store
        try store.keep(vsi)
        vsi.request.target = .associated
        vsi.isWithdrawn = true
        try store.keep(vsi)
        #expect(scratch.store.taken(port: "eth0") == [vsi])
    }

    @Test("a file that is torn, foreign, misnamed or of a later version is set aside and told of, and hides no other")
    func strangers() throws {
        let scratch = try Scratch()
        let store = scratch.store
        let (good, other) = (try stored(1), try stored(2))
        try store.keep(good)
        let text = String(decoding: other.encoded, as: UTF8.self)
        let name = "eth0,\(other.request.vsiID).vsi"
        let files = [
            "torn.vsi": String(text.dropLast(20)), "empty.vsi": "", "list.vsi": "[]", "number.vsi": "17",
            "renamed.vsi": text, "later.vsi": text.replacing("\"version\":1", with: "\"version\":2"),
            "noise.vsi": String(repeating: "\u{1}\u{7F}{", count: 3000),
            "deep.vsi": String(repeating: "[", count: 60_000),
            "long.vsi": String(repeating: " ", count: 70_000) + text,
        ]
        for (name, text) in files { try scratch.write(name, text) }
        try scratch.write("half.vsi.4711.tmp", "{")
        #expect(scratch.store.taken(port: "eth0") == [good])
        let names = try scratch.names()
        for name in files.keys { #expect(names.contains("\(name).rejected")) }
        #expect(!names.contains("half.vsi.4711.tmp"))
        // Set aside once, they are not looked at again.
        #expect(scratch.store.taken(port: "eth0") == [good])
        // What is wrong with them is nothing but what it is.
        try scratch.write(name, text)
        #expect(scratch.store.taken(port: "eth0") == [good, other])
    }

    @Test("every value is checked as if a stranger had written it")
    func values() throws {
        let text = String(decoding: try stored().encoded, as: UTF8.self)
        let changes = [
            ("\"typeID\":16777215", "\"typeID\":16777216"), ("\"typeID\":16777215", "\"typeID\":-1"),
            ("\"typeVersion\":255", "\"typeVersion\":256"), ("\"eventPort\":4294967295", "\"eventPort\":4294967296"),
            ("\"vlan\":100", "\"vlan\":4095"), ("\"vlan\":100", "\"vlan\":-1"), ("\"pcp\":3", "\"pcp\":8"),
            ("\"group\":7", "\"group\":4294967296"), ("52:54:00:00:00:01", "53:54:00:00:00:01"),
            ("52:54:00:00:00:01", "52:54"), ("\"target\":\"preassociated-rr\"", "\"target\":\"\""),
            ("\"hint\":\"migrating\"", "\"hint\":1"), ("\"owner\":\"libvirt\"", "\"owner\":\"root\""),
            ("\"oui\":20674", "\"oui\":16777216"), ("\"octets\":[1,2,255]", "\"octets\":[1,2,256]"),
            ("\"persistence\":\"once\"", "\"persistence\":null"), ("uuid", "uuid"),
        ]
        for (old, new) in changes.dropLast() {
            let changed = text.replacing(old, with: new)
            try #require(changed != text, "\(old)")
            #expect(throws: StoredVSI.Mistake.self, "\(new)") { try StoredVSI(decoding: Array(changed.utf8)) }
        }
        #expect(throws: StoredVSI.Mistake.version(2)) {
            try StoredVSI(decoding: Array(text.replacing("\"version\":1", with: "\"version\":2").utf8))
        }
    }

    @Test("nobody but evbd can put a VSI there")
    func forgery() throws {
        let scratch = try Scratch()
        let vsi = try stored()
        try scratch.store.keep(vsi)
        let name = "eth0,\(vsi.request.vsiID).vsi"
        let (journal, path) = ("\(scratch.path)/vsis/journal", "\(scratch.path)/vsis/\(name)")
        try Files.setMode(journal, 0o622)
        #expect(scratch.store.taken(port: "eth0").isEmpty)
        #expect(try scratch.names() == ["journal", "journal.rejected"])
        // As an earlier evbd has written it.
        try scratch.write(name, String(decoding: vsi.encoded, as: UTF8.self), mode: 0o622)
        #expect(scratch.store.taken(port: "eth0").isEmpty)
        #expect(try scratch.names().contains("\(name).rejected"))
        // A link to a file elsewhere.
        try Files.write("\(scratch.path)/elsewhere", vsi.encoded, mode: 0o600)
        symlink("\(scratch.path)/elsewhere", path)
        #expect(scratch.store.taken(port: "eth0").isEmpty)
        unlink(journal)
        symlink("\(scratch.path)/vsis/journal.rejected", journal)
        #expect(scratch.store.taken(port: "eth0").isEmpty)
        unlink("\(scratch.path)/elsewhere")
        // The directory itself.
        try scratch.store.keep(vsi)
        try Files.setMode("\(scratch.path)/vsis", 0o777)
        #expect(scratch.store.taken(port: "eth0").isEmpty)
        #expect(try Files.status("\(scratch.path)/vsis").mode == 0o700)
        guard geteuid() == 0 else { return }
        try scratch.store.keep(vsi)
        chown(journal, 65534, 65534)
        #expect(scratch.store.taken(port: "eth0").isEmpty)
    }

    @Test("a store that cannot be written says so, and stops nothing")
    func unwritable() throws {
        let scratch = try Scratch()
        try Files.write("\(scratch.path)/blocked", [], mode: 0o600)
        let store = VSIStore(runtimeDirectory: "\(scratch.path)/blocked", logger: Logger(label: "test"))
        let vsi = try stored()
        #expect(throws: SystemError.self) { try store.keep(vsi) }
        store.keepEventually(vsi)
        store.remove(vsi.request.vsiID, port: "eth0")
        #expect(store.taken(port: "eth0").isEmpty)
        unlink("\(scratch.path)/blocked")
    }

    @Test("VDP-36 what could not be stored or removed is, as soon as that is possible")
    func owed() throws {
        let scratch = try Scratch()
        let loop = try EventLoop()
        let timers = Timers(loop: loop)
        let store = VSIStore(runtimeDirectory: scratch.path, timers: timers, logger: Logger(label: "test"))
        let (changed, gone, withdrawn) = (try stored(1), try stored(2), try stored(3))
        for vsi in [changed, gone, withdrawn] { try store.keep(vsi) }
        // Root writes where it may not: a directory in the place of the file is in its way too.
        let place = "\(scratch.path)/vsis"
        rename(place, "\(scratch.path)/away")
        try Files.write(place, [], mode: 0o600)
        var other = changed
        other.isGranted = false
        #expect(throws: SystemError.self) { try store.keep(other) }
        store.keepEventually(other)
        store.remove(gone.request.vsiID, port: "eth0")
        var last = withdrawn
        last.isWithdrawn = true
        store.keepEventually(last)
        unlink(place)
        rename("\(scratch.path)/away", place)
        #expect(scratch.store.taken(port: "eth0").count == 3)
        let end = timers.timer { loop.stop() }
        end.set(timers.now + .milliseconds(1500))
        try loop.run()
        let after = scratch.store.taken(port: "eth0").sorted { $0.request.vsiID.low < $1.request.vsiID.low }
        #expect(after.map(\.request.vsiID) == [changed.request.vsiID, withdrawn.request.vsiID])
        #expect(after.map(\.isGranted) == [false, true] && after.map(\.isWithdrawn) == [false, true])
    }

    @Test("SPD-107 files of an earlier evbd are taken over once; of a VSI that has both, the file is the later")
    func oldFiles() throws {
        let scratch = try Scratch()
        var known = try stored(1)
        try scratch.store.keep(known)
        known.request.target = .associated
        let vsis = [known, try stored(2), try stored(3, port: "eth1")]
        for vsi in vsis {
            try scratch.write("\(vsi.port),\(vsi.request.vsiID).vsi", String(decoding: vsi.encoded, as: UTF8.self))
        }
        let store = scratch.store
        #expect(store.taken(port: "eth0") == Array(vsis[..<2]) && store.taken(port: "eth1") == [vsis[2]])
        #expect(try scratch.names() == ["journal"])
        #expect(scratch.store.taken(port: "eth0") == Array(vsis[..<2]))
    }

    @Test("SPD-103 a journal of a later version is set aside, and requests are stored in a new one")
    func laterVersion() throws {
        let scratch = try Scratch()
        try scratch.store.keep(try stored(1))
        let text = String(decoding: try Files.read("\(scratch.path)/vsis/journal", limit: 1 << 20), as: UTF8.self)
        try scratch.write("journal", text.replacing("evbd-vsis 1\n", with: "evbd-vsis 2\n"))
        let store = scratch.store
        #expect(store.taken(port: "eth0").isEmpty && store.problem == nil)
        try store.keep(try stored(2))
        #expect(scratch.store.taken(port: "eth0") == [try stored(2)])
        #expect(try scratch.names() == ["journal", "journal.rejected"])
    }

    @Test("no run begins with a number that the one before it used last, wherever it ends")
    func sequences() throws {
        let scratch = try Scratch()
        let path = "\(scratch.path)/eth0.ecp"
        var used: UInt16 = 0
        for run in 0..<300 {
            var reserve = SequenceReserve(path: path)
            if run > 0 { #expect(reserve.first != used) }
            var next = reserve.first
            // Lengths on both sides of a block and of its last quarter, and the wrap after 65,535.
            for _ in 0..<(1 + run * 37 % 3000) {
                used = next
                next &+= 1
                reserve.advanced(to: next)
            }
        }
        unlink(path)
    }
}
