import EVBSettings
import EVBWire
import Testing

@testable import HostTaps

@Suite struct TapWishTests {
    @Test(
        "OVL-160 names of links fit a pattern with stars",
        arguments: [
            ("tap*", "tap100i0", true), ("tap*", "tap", true), ("tap*", "vtap", false), ("*i0", "tap100i0", true),
            ("vif*.0", "vif12.0", true), ("vif*.0", "vif12.1", false), ("vnet0", "vnet0", true),
            ("vnet0", "vnet01", false), ("*", "x", true), ("a*a", "a", false), ("a*b*c", "aXbYbZc", true),
            ("**", "any", true),
        ])
    func patterns(_ pattern: String, _ name: String, _ fits: Bool) throws {
        #expect(try #require(NamePattern(pattern)).matches(name) == fits)
    }

    @Test("OVL-160 what is no pattern of names is refused", arguments: ["", "a b", "a/b", "abcdefghijklmnop"])
    func noPatterns(_ text: String) { #expect(NamePattern(text) == nil) }

    @Test(
        "OVL-161 the machine behind a tap is known where the tap has its address with FE in front, and nowhere else",
        arguments: [
            ("fe:54:00:11:22:33", nil, true, "52:54:00:11:22:33"),
            ("fe:54:00:11:22:33", "52:54:00:00:00:00/24", true, "52:54:00:11:22:33"),
            ("fe:16:3e:11:22:33", nil, true, nil),
            ("fe:16:3e:11:22:33", "00:16:3e:00:00:00/24", true, "00:16:3e:11:22:33"),
            ("fe:16:3e:11:22:33", "52:54:00:00:00:00/24", false, nil), ("fe:ff:ff:ff:ff:ff", nil, true, nil),
            ("fe:ff:ff:ff:ff:ff", "00:16:3e:00:00:00/24", false, nil), ("02:00:00:00:00:07", nil, true, nil),
            ("02:00:00:00:00:07", "02:00:00:00:00:00/40", true, "02:00:00:00:00:07"),
        ] as [(String, String?, Bool, String?)])
    func machines(_ link: String, _ pattern: String?, _ matches: Bool, _ machine: String?) throws {
        let found = TapAddress.machine(MACAddress(link), try pattern.map { try #require(MACPattern($0)) })
        #expect(found.matches == matches)
        #expect(found.address == machine.flatMap { MACAddress($0) })
    }

    @Test("OVL-162 a derived VSIID is a UUID of version 8 that is the same for the same texts and no others")
    func identifiers() {
        let known = VSIID(derivedFrom: ["machine", "52:54:00:11:22:33"])
        // What an earlier version has derived has to be derived again.
        #expect(known == VSIID(derivedFrom: ["machine", "52:54:00:11:22:33"]))
        #expect("\(known)".dropFirst(14).first == "8")
        var all: Set<VSIID> = []
        for number in 0..<10_000 { all.insert(VSIID(derivedFrom: ["tap", "02:00:00:00:00:01", "tap\(number)i0"])) }
        #expect(all.count == 10_000)
        #expect(VSIID(derivedFrom: ["ab", "c"]) != VSIID(derivedFrom: ["a", "bc"]))
    }
}
