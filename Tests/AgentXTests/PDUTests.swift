import EVBTime
import Glibc
import Testing

@testable import AgentX

@Suite struct PDUTests {
    /// A message in octets that are separated by spaces.
    static func octets(_ text: String) -> [UInt8] { text.split(separator: " ").compactMap { UInt8($0, radix: 16) } }

    static func decode(_ octets: [UInt8]) throws -> AgentXPDU? {
        var decoder = AgentXDecoder()
        decoder.append(octets)
        return try decoder.next()
    }

    @Test("OPS-702 a GetNext of RFC 2741's form is read in both byte orders, prefix and include bit too")
    func byteOrders() throws {
        // 1.3.6.1.2.1.1 inclusive up to 1.3.6.1.2.1.2, by RFC 2741 section 5.1's prefix octet.
        let big = Self.octets(
            "01 06 10 00 00 00 00 07 00 00 00 08 00 00 00 09 00 00 00 18"
                + " 02 02 01 00 00 00 00 01 00 00 00 01 02 02 00 00 00 00 00 01 00 00 00 02")
        let little = Self.octets(
            "01 06 00 00 07 00 00 00 08 00 00 00 09 00 00 00 18 00 00 00"
                + " 02 02 01 00 01 00 00 00 01 00 00 00 02 02 00 00 01 00 00 00 02 00 00 00")
        let expected = AgentXPDU(
            sessionID: 7, transactionID: 8, packetID: 9,
            .getNext([
                SearchRange([1, 3, 6, 1, 2, 1, 1], includesStart: true, end: [1, 3, 6, 1, 2, 1, 2])
            ]))
        #expect(try Self.decode(big) == expected)
        #expect(try Self.decode(little) == expected)
    }

    @Test("OPS-702 an Open and a Response have the octets of RFC 2741")
    func golden() {
        let open = AgentXPDU(
            sessionID: 0, packetID: 1, .open(timeoutSeconds: 3, id: [], description: Array("evbd!".utf8)))
        #expect(
            open.octets
                == Self.octets(
                    "01 01 10 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00 00 14"
                        + " 03 00 00 00 00 00 00 00 00 00 00 05 65 76 62 64 21 00 00 00"))
        let response = AgentXPDU(
            sessionID: 1, transactionID: 2, packetID: 3,
            .response(error: 0, index: 0, [VarBind([1, 3], .integer(-2)), VarBind([1, 4], .endOfMIBView)]))
        #expect(
            response.octets
                == Self.octets(
                    "01 12 10 00 00 00 00 01 00 00 00 02 00 00 00 03 00 00 00 2c 00 00 00 00 00 00 00 00"
                        + " 00 02 00 00 02 00 00 00 00 00 00 01 00 00 00 03 ff ff ff fe"
                        + " 00 82 00 00 02 00 00 00 00 00 00 01 00 00 00 04"))
    }

    static let samples: [AgentXPDU] = {
        let values: [SNMPValue] = [
            .integer(.min), .octets([1, 2, 3, 4, 5]), .octets([]), .null, .objectID([1, 3, 6]),
            .address([10, 0, 0, 1]),
            .counter32(.max), .gauge32(7), .timeTicks(8), .opaque([9]), .counter64(.max), .noSuchObject,
            .noSuchInstance,
            .endOfMIBView,
        ]
        let bindings = values.map { VarBind([1, 3, 111, .max], $0) }
        let ranges = [SearchRange([1, 2], includesStart: true, end: [1, 3]), SearchRange([])]
        let bodies: [AgentXPDU.Body] = [
            .open(timeoutSeconds: 1, id: [1, 3], description: [65]), .close(reason: 5),
            .register(timeoutSeconds: 0, priority: 127, subtree: [1, 3], isInstance: true), .get(ranges),
            .getNext(ranges), .getBulk(nonRepeaters: 1, maxRepetitions: 9, ranges), .testSet(bindings), .commitSet,
            .undoSet, .cleanupSet, .ping, .response(error: 5, index: 1, bindings), .other(type: 99),
        ]
        let context = Array("other".utf8)
        return bodies.map { AgentXPDU(sessionID: 1, transactionID: 2, packetID: 3, $0) }
            + [AgentXPDU(sessionID: 1, packetID: 3, context: context, .get(ranges))]
    }()

    @Test("OPS-702 what is written is read again, in portions of any length", arguments: samples)
    func thereAndBack(pdu: AgentXPDU) throws {
        var decoder = AgentXDecoder()
        for octet in pdu.octets.dropLast() {
            decoder.append([octet])
            #expect(try decoder.next() == nil)
        }
        decoder.append([pdu.octets[pdu.octets.count - 1]] + pdu.octets)
        #expect(try decoder.next() == pdu)
        #expect(try decoder.next() == pdu)
        #expect(try decoder.next() == nil)
    }

    @Test("OPS-702 broken octets are an error and never a trap")
    func broken() throws {
        #expect(throws: AgentXError.version(2)) { try Self.decode([2] + [UInt8](repeating: 0, count: 19)) }
        let header = Self.octets("01 06 10 00 00 00 00 07 00 00 00 08 00 00 00 09")
        #expect(throws: AgentXError.oversized(.max)) { try Self.decode(header + [0xFF, 0xFF, 0xFF, 0xFF]) }
        #expect(throws: AgentXError.objectIDTooLong(129)) { try Self.decode(header + [0, 0, 0, 4, 129, 0, 0, 0]) }
        #expect(throws: AgentXError.objectIDTooLong(128)) {
            try Self.decode(header + [0, 0, 2, 4, 128, 2, 0, 0] + [UInt8](repeating: 0, count: 512))
        }
        #expect(throws: AgentXError.truncated) { try Self.decode(header + [0, 0, 0, 4, 2, 0, 0, 0]) }
        // A string that is longer than all there is.
        let response = Self.octets(
            "01 12 10 00 00 00 00 01 00 00 00 02 00 00 00 03 00 00 00 14 00 00 00 00 00 00 00 00"
                + " 00 04 00 00 00 00 00 00 ff ff ff ff")
        #expect(throws: AgentXError.truncated) { try Self.decode(response) }
        #expect(throws: AgentXError.surplus) {
            try Self.decode(Self.octets("01 09 10 00 00 00 00 01 00 00 00 02 00 00 00 03 00 00 00 04 00 00 00 00"))
        }
    }

    @Test("OPS-702 octets that were changed at random are read or refused")
    func random() {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? 0x8021_0B60
        print("octets of AgentX changed at random: EVBD_SEED=\(seed)")
        var random = SplitMix64(seed: seed)
        func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }
        for _ in 0..<20_000 {
            var octets = Self.samples[below(Self.samples.count)].octets
            for _ in 0...below(4) { octets[below(octets.count)] = UInt8(below(256)) }
            octets.removeLast(below(octets.count))
            guard let pdu = try? Self.decode(octets) else { continue }
            #expect((try? Self.decode(pdu.octets)) == pdu, "EVBD_SEED=\(seed): \(octets)")
        }
    }
}
