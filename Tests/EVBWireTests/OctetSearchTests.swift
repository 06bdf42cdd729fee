import Testing

@testable import EVBWire

@Suite struct OctetSearchTests {
    @Test("SPD-194 Octets are found where they first stand")
    func firstPlace() {
        Cases.run("octet search") { random, note in
            // Of two octets, so that parts begin, break off and begin again.
            let text = random.list(upTo: 12) { $0.number(UInt8.self) & 1 }
            let part = random.list(upTo: 4) { $0.number(UInt8.self) & 1 }
            let places = text.count >= part.count ? Array(0...(text.count - part.count)) : []
            let first = places.first { Array(text[$0..<($0 + part.count)]) == part }
            #expect(text.range(of: part) == first.map { $0..<($0 + part.count) }, note)
        }
    }

    @Test("SPD-194 A range in the octets of a text is one of the text")
    func inTexts() {
        let text = "vf:3 \u{E9}t\u{E9}: gone: or not"
        let found = text.utf8.range(of: ": ".utf8)
        #expect(found.map { String(text[..<$0.lowerBound]) } == "vf:3 \u{E9}t\u{E9}")
        #expect(found.map { String(text[$0.upperBound...]) } == "gone: or not")
        #expect(text.utf8.range(of: ":: ".utf8) == nil)
    }
}
