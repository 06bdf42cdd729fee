import Glibc
import LinuxSystem
import NetnsSupport
import Testing

@testable import Netlink

/// Links of a group are deleted by one request. Serialized: the group is one of the whole network namespace.
@Suite(
    .serialized,
    .enabled(if: inOwnNamespace, "needs root in a network namespace of its own: EVBD_TEST_NETNS=1 unshare -n"))
struct GroupRemovalTests {
    private static func make(_ count: Int, on pair: VethPair, _ links: Links) throws -> [Link] {
        try (0..<count).map {
            try links.createMacvlan(
                MacvlanSpec(name: "\(pair.one)\($0)", kind: .macvtap, mode: .vepa, parentIndex: pair.oneIndex, up: true)
            )
        }
    }

    private static func exist(_ all: [Link]) -> [Bool] { all.map { if_nametoindex($0.name) != 0 } }

    private static func kinds(_ results: [Result<Void, NetlinkError>]) -> [NetlinkError.Kind?] {
        results.map { if case .failure(let error) = $0 { error.kind } else { nil } }
    }

    @Test("SPD-142 one request deletes them all; one that is gone already fails for itself, and no other link goes")
    func together() throws {
        let pair = try VethPair("nlgrp")
        let links = try Links()
        let all = try Self.make(4, on: pair, links)
        try links.delete(index: all[1].index)
        let monitor = try LinkMonitor()
        let results = links.delete(indices: all.dropLast().map(\.index))
        #expect(Self.kinds(results) == [nil, .notFound, nil])
        #expect(Self.exist(all) == [false, false, false, true])
        // The kernel sets all of a request down before the first is gone: one by one, it would be by turns.
        var news: [String] = []
        try monitor.receive { event in
            switch event {
            case .changed(let link) where !link.isUp && [all[0], all[2]].contains { $0.index == link.index }:
                if news.last != "down" { news.append("down") }
            case .removed(let index, _) where [all[0], all[2]].contains { $0.index == index }: news.append("gone")
            default: break
            }
        }
        #expect(news == ["down", "gone", "gone"])
        try links.delete(index: all[3].index)
    }

    @Test("SPD-142 a link of another process in the group stays, and those to delete are deleted one by one")
    func stranger() throws {
        let pair = try VethPair("nlstr")
        let links = try Links()
        let all = try Self.make(3, on: pair, links)
        try run("ip link set \(all[2].name) group \(MacvlanSpec.leavingGroup)")
        #expect(Self.kinds(links.delete(indices: [all[0].index, all[1].index])) == [nil, nil])
        #expect(Self.exist(all) == [false, false, true])
        try links.delete(index: all[2].index)
    }

    @Test("SPD-142 what cannot be deleted fails for itself, and the others are gone")
    func undeletable() throws {
        let pair = try VethPair("nlund")
        let links = try Links()
        let all = try Self.make(2, on: pair, links)
        let loopback = Int32(if_nametoindex("lo"))
        let results = links.delete(indices: [all[0].index, loopback, all[1].index])
        try run("ip link set lo group default")
        #expect(Self.kinds(results) == [nil, .notSupported, nil])
        #expect(Self.exist(all) == [false, false])
        #expect(links.delete(indices: []).isEmpty)
    }
}
