import EVBTime
import Testing

@testable import EVBWire

/// Answers that are told by their octets.
@Suite struct GrantTests {
    private static let manager = VSIManagerID(short: 5, placement: .first)

    private static func pdu(_ count: Int, status: VDPStatus, hint: VDPStatus = []) throws -> VDPDU {
        let associations = try (0..<count).map { number in
            let entries = (0...(number % 3)).map { entry in
                FilterEntry(
                    vid: UInt16(10 + entry), macAddress: MACAddress(truncating: 0x5254_0000_0000 | UInt64(number)))
            }
            return VSITLV(
                command: .associate, status: status.union(number == 0 ? hint : []), typeID: 7, typeVersion: 1,
                vsiID: VSIID(format: .uuid, high: 1, low: UInt64(number)), filter: try FilterInfo(checking: entries))
        }
        return VDPDU(managerID: manager, associations: associations)
    }

    private static func isGrant(_ answer: [UInt8], of request: [UInt8]) -> Bool {
        answer.withUnsafeBytes { answer in request.withUnsafeBytes { VDPDU.isGrant(answer, of: $0) } }
    }

    @Test("SPD-240 an answer that gives a PDU back, with success as the status of each TLV, grants it")
    func granted() throws {
        for count in [1, 2, 5, 20] {
            let request = try Self.pdu(count, status: []).encoded()
            let answer = try Self.pdu(count, status: .answer).encoded()
            #expect(Self.isGrant(answer, of: request))
            #expect(!Self.isGrant(request, of: request) && !Self.isGrant(answer, of: answer))
            #expect(!Self.isGrant(request, of: answer))
            #expect(try Self.isGrant(answer, of: Self.pdu(count, status: [], hint: .migrating).encoded()))
            #expect(try !Self.isGrant(Self.pdu(count, status: .answer, hint: .hard).encoded(), of: request))
            #expect(answer.withUnsafeBytes { VDPDU.firstVSIID(in: $0) } == VSIID(format: .uuid, high: 1, low: 0))
        }
    }

    @Test("SPD-240 an answer that differs in one bit grants nothing, wherever the bit is")
    func differs() throws {
        let (request, answer) = (try Self.pdu(4, status: []).encoded(), try Self.pdu(4, status: .answer).encoded())
        #expect(Self.isGrant(answer + [0], of: request) && Self.isGrant(answer, of: Array(request.dropLast(2))))
        #expect(!Self.isGrant(answer.dropLast(2) + [0], of: request))
        for octet in answer.indices {
            for bit in 0..<8 as Range<UInt8> {
                var other = answer
                other[octet] ^= 1 << bit
                #expect(!Self.isGrant(other, of: request), "octet \(octet), bit \(bit)")
            }
            // Without an end TLV it is as good, and behind that TLV there is padding.
            #expect(Self.isGrant(Array(answer[..<octet]), of: request) == (octet == answer.count - 2))
            #expect(!Self.isGrant(answer[..<octet] + [0xFF] + answer[octet...], of: request))
        }
    }

    @Test(
        "SPD-240 whatever octets there are on either side, nothing is read beyond them, and a grant is what decoding finds"
    )
    func random() throws {
        var random = SplitMix64(seed: 1)
        let pdus = [try Self.pdu(3, status: []).encoded(), try Self.pdu(3, status: .answer).encoded()]
        for _ in 0..<20_000 {
            var (request, answer) = (pdus[0], pdus[1])
            for _ in 0..<random.next() % 3 {
                request[Int(random.next() % UInt64(request.count))] = UInt8(random.next() & 0xFF)
            }
            for _ in 0..<random.next() % 2 {
                answer[Int(random.next() % UInt64(answer.count))] = UInt8(random.next() & 0xFF)
            }
            request.removeLast(Int(random.next() % 3))
            _ = answer.withUnsafeBytes { VDPDU.firstVSIID(in: $0.prefixed(Int(random.next() % 60))) }
            guard Self.isGrant(answer, of: request) else { continue }
            let (asked, granted) = (try VDPDU.decode(request), try VDPDU.decode(answer))
            #expect(asked.rejected == granted.rejected && asked.pdu.managerID == granted.pdu.managerID)
            #expect(granted.pdu.associations.allSatisfy { $0.status == .answer })
            var same = asked.pdu.associations
            for index in same.indices { same[index].status = .answer }
            #expect(same == granted.pdu.associations)
        }
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func prefixed(_ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[..<Swift.min(count, self.count)])
    }
}
