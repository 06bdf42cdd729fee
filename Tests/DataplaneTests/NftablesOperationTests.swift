import LinuxSystem
import NetnsSupport
import Nftables
import Testing

@testable import Dataplane

/// Changes of nftables by the two ways: to the kernel itself, and by commands.
@Suite(
    .serialized,
    .enabled(if: inOwnNamespace, "needs root in a network namespace of its own: nftables' tables are the kernel's"))
struct NftablesOperationTests {
    private static let table = "netdev evbd-operations"
    private static let declaration = "add table \(table)\nadd set \(table) closed { type ether_addr; }"

    private func change(_ number: UInt64, set: String = "closed", isDirect: Bool = true) -> NftablesOperation.Change {
        let address = HardwareAddress(number)
        let direct = TableChanges(
            TableID(.netdev, "evbd-operations"), [.add(set: set, [SetElement(ElementKey(.address(address)))])])
        return NftablesOperation.Change(
            commands: "add element \(Self.table) \(set) { \(address) }", direct: isDirect ? direct : nil)
    }

    private func perform(
        _ changes: [NftablesOperation.Change], declaration: String = declaration, in context: NftablesOperation.Context
    ) -> [Bool] {
        guard
            case .changed(let problems) = NftablesOperation.change(changes, declaration: declaration).perform(
                in: context)
        else { return [] }
        return problems.map { $0 == nil }
    }

    private func addresses(_ session: NftablesSession) throws -> Int {
        try session.list("list set \(Self.table) closed").matches(of: /00:00:00:00:00:/).count
    }

    @Test(
        "SEC-1164 changes that need no declaration go without it, and what the kernel refuses is made by commands one by one"
    )
    func ways() throws {
        let session = try NftablesSession()
        let context = NftablesOperation.makeContext()
        defer { try? session.run("delete table \(Self.table)") }
        #expect(perform([change(1), change(2)], in: context) == [true, true], "there is no table: commands make it")
        #expect(try addresses(session) == 2)
        let nonsense = "nonsense"
        #expect(perform([change(3), change(4)], declaration: nonsense, in: context) == [true, true])
        #expect(try addresses(session) == 4)
        #expect(
            perform([change(5), change(6, isDirect: false)], declaration: nonsense, in: context) == [false, false],
            "one of them needs commands, and so all do")
        #expect(perform([change(5), change(6, set: "none"), change(7)], in: context) == [true, false, true])
        #expect(try addresses(session) == 6)
        try session.run("flush ruleset")
        #expect(perform([change(8)], in: context) == [true])
        #expect(try addresses(session) == 1, "another process has removed the table")
    }
}
