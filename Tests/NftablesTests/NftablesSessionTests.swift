import Glibc
import LinuxSystem
import NetnsSupport
import Synchronization
import Testing

@testable import Nftables

@Suite(.enabled(if: inOwnNamespace, "needs root in a network namespace of its own: nftables' tables are the kernel's"))
struct NftablesSessionTests {
    @Test func aTransactionIsInForceAsAWholeOrNotAtAll() throws {
        let session = try NftablesSession()
        try session.run("add table inet evbd-whole\nadd chain inet evbd-whole one")
        defer { try? session.run("delete table inet evbd-whole") }
        // The second line cannot be: there is no such chain.
        let refused = "add chain inet evbd-whole two\nadd rule inet evbd-whole three accept"
        let error = #expect(throws: NftablesError.self) { try session.run(refused) }
        #expect(error?.description.contains("No such file or directory") == true)
        #expect(error?.description.contains("\n") == false)
        let listing = try session.list("list table inet evbd-whole")
        #expect(listing.contains(#""name": "one""#))
        #expect(!listing.contains("two"))
    }

    @Test func anErrorIsOfItsOwnCommandAlone() throws {
        let session = try NftablesSession()
        #expect(throws: NftablesError.self) { try session.run("no command") }
        #expect(throws: NftablesError.self) { try session.list("list table inet evbd-missing") }
        // The session goes on, and neither words nor output of the former commands come along.
        #expect(throws: Never.self) { try session.run("add table inet evbd-after\ndelete table inet evbd-after") }
        #expect(!(try session.list("list tables")).contains("evbd-missing"))
    }

    @Test(
        "SPD-191 Between two commands a session keeps no context, or, while another is being closed, one that it uses again"
    )
    func aSessionKeepsLittle() throws {
        let session = try NftablesSession()
        #expect(session.keepsContext)
        try session.run("add table inet evbd-rest")
        defer { try? session.run("delete table inet evbd-rest") }
        #expect(!session.keepsContext)
        let deadline = ContinuousClock.now + .seconds(60)
        var isClosing: Bool { session.closing.isUnderWay.load(ordering: .acquiring) }
        while isClosing, ContinuousClock.now < deadline { usleep(1000) }
        #expect(!isClosing, "closing has not ended within a minute")
        // As if the kernel had the one before wait.
        session.closing.isUnderWay.store(true, ordering: .releasing)
        try session.run("add chain inet evbd-rest one")
        #expect(session.keepsContext)
        let missing = #expect(throws: NftablesError.self) { try session.run("add chain inet evbd-missing one") }
        #expect(missing?.description.contains("No such file or directory") == true)
        let unread = #expect(throws: NftablesError.self) { try session.run("no command") }
        #expect(unread?.description.contains("syntax error") == true)
        #expect(try session.list("list table inet evbd-rest").contains(#""name": "one""#))
        #expect(session.keepsContext)
        session.closing.isUnderWay.store(false, ordering: .releasing)
        try session.run("delete chain inet evbd-rest one")
        #expect(!session.keepsContext)
        #expect(!(try session.list("list table inet evbd-rest")).contains(#""name": "one""#))
    }

    @Test func commandsInJSONAndInWordsTakeTurns() throws {
        let session = try NftablesSession()
        try session.run(json: #"{"nftables": [{"add": {"table": {"family": "inet", "name": "evbd-json"}}}]}"#)
        #expect(try session.list("list tables").contains("evbd-json"))
        try session.run("delete table inet evbd-json")
        #expect(!(try session.list("list tables")).contains("evbd-json"))
    }
}

@Suite(
    .enabled(if: inOwnNamespace, "needs root in a network namespace of its own: it hears of nftables' changes there"))
struct TableMonitorTests {
    private static func waits(_ monitor: TableMonitor) -> Bool {
        var descriptor = pollfd(fd: monitor.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, 10_000) == 1
    }

    @Test func aTableThatGoesIsNewsAndOneThatComesIsNone() throws {
        let session = try NftablesSession()
        let monitor = try TableMonitor(table: "evbd-watched")
        try session.run("add table inet evbd-watched")
        #expect(Self.waits(monitor))
        #expect(!monitor.drain())
        try session.run("delete table inet evbd-watched")
        #expect(Self.waits(monitor))
        #expect(monitor.drain())
        #expect(!monitor.drain(), "it is news once")
    }

    @Test func itsOwnThreadAndOtherTablesAreNoNews() throws {
        let session = try NftablesSession()
        let name = String(decoding: try Files.read("/proc/thread-self/comm", limit: 64).dropLast(), as: UTF8.self)
        let (own, others) = (try TableMonitor(table: "evbd-own", exceptBy: name), try TableMonitor(table: "evbd-other"))
        try session.run("add table inet evbd-own")
        try session.run("delete table inet evbd-own")
        #expect(Self.waits(own) && Self.waits(others))
        #expect(!own.drain() && !others.drain())
    }
}
