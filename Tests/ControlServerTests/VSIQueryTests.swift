import EVBControl
import EVBModel
import EVBPorts
internal import EVBTime
import EVBWire
import Glibc
import Testing

@testable import ControlServer

@Suite struct VSIQueryTests {
    private let vsiID = VSIID("5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51") ?? VSIID(format: .uuid, high: 0, low: 0)

    private func traits() throws -> VSITraits {
        VSITraits(
            reason: .success, managerID: VSIManagerID(short: 5, placement: .first), typeID: 4660,
            filter: try FilterInfo(checking: [FilterEntry(vid: 100, macAddress: MACAddress("52:54:00:00:c7:3e"))]),
            link: "vm1", label: "web")
    }

    private func fits(_ change: (inout ListVSIsRequest) -> Void) throws -> Bool {
        var request = ListVSIsRequest()
        change(&request)
        return try VSIQuery(request).fits(vsiID, traits())
    }

    @Test(
        "OPS-401 a VSI is found by each of its names, and by the first digits of its UUID",
        arguments: [
            ("5ab5", true), ("5ab5c6a6-9f4b-4d27-a", true), ("5AB5C6A69F4B4D27A1BB3B8D9D7B6A51", true), ("5ab6", false),
            ("5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a52", false), ("vm1", true), ("vm", false), ("web", true),
            ("52:54:00:00:C7:3E", true), ("52:54:00:00:c7:3f", false), ("link=web", false), ("label=web", true),
            ("id=5ab5c6", true), ("mac:52:54:00:00:c7:3e", false),
        ]) func selector(_ text: String, _ isFound: Bool) throws
    {
        #expect(try fits { $0.match = text } == isFound)
    }

    @Test("OPS-403 each filter of a list is looked at, and all have to fit")
    func filters() throws {
        #expect(VSIQuery().fitsAll)
        #expect(try fits { $0.typeID = 4660 } && !fits { $0.typeID = 4661 })
        #expect(try fits { $0.managerID = "5" } && !fits { $0.managerID = "6" })
        #expect(try fits { $0.reason = .success } && !fits { $0.reason = .timeout })
        #expect(try fits { $0.mac = "52:54:00:00:c7:3e" } && !fits { $0.mac = "52:54:00:00:c7:3f" })
        #expect(try fits { $0.link = "vm*" } && !fits { $0.link = "tap*" })
        #expect(try fits { $0.label = "w?b" } && !fits { $0.label = "w?" })
        #expect(
            try !fits {
                $0.typeID = 4660
                $0.link = "vm2"
            })
        #expect(throws: ControlError.self) { try fits { $0.managerID = "300" } }
        #expect(throws: ControlError.self) { try fits { $0.match = "id=zz" } }
    }

    @Test("OPS-403 patterns fit as their definition says, on random texts")
    func patterns() {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: .min ... .max)
        var random = SplitMix64(seed: seed)
        func isFit(_ pattern: Substring, _ name: Substring) -> Bool {
            guard let first = pattern.first else { return name.isEmpty }
            if first == "*" {
                return isFit(pattern.dropFirst(), name) || (!name.isEmpty && isFit(pattern, name.dropFirst()))
            }
            guard let letter = name.first, first == "?" || first == letter else { return false }
            return isFit(pattern.dropFirst(), name.dropFirst())
        }
        func text(_ letters: [Character], _ longest: Int) -> String {
            String(
                (0..<Int.random(in: 0...longest, using: &random)).map { _ in
                    letters.randomElement(using: &random) ?? "a"
                })
        }
        for _ in 0..<5000 {
            let (pattern, name) = (text(["a", "b", "*", "?"], 6), text(["a", "b"], 8))
            #expect(
                NamePattern(pattern).fits(name) == isFit(pattern[...], name[...]),
                "\(pattern) \(name), EVBD_SEED=\(seed)")
        }
        // Hundreds of stars take no time: the walk goes back to the last one only.
        #expect(!NamePattern(String(repeating: "*a", count: 32)).fits(String(repeating: "a", count: 60) + "b"))
    }
}
