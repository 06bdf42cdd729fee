// A side that has nothing to change of what it is asked gives each TLV back, with the status of a success.

extension VDPDU {
    /// The VSI that the first association TLV is about; nil where a PDU does not begin as ``Writer`` has it begin.
    public static func firstVSIID(in octets: UnsafeRawBufferPointer) -> VSIID? {
        var reader = ByteReader(octets)
        do throws(WireError) {
            _ = try reader.child(2 + managerIDLength, .managerID)
            guard VDPCommand(rawValue: try TLVHeader(from: &reader).type) != nil else { return nil }
            _ = try reader.child(5, .associationTLV)
            return try VSIID(from: &reader)
        } catch {
            return nil
        }
    }

    /// Whether a PDU grants another one as it stands: it has the same octets, but for the status of each association TLV, which is that of
    /// a request in the one and success, with no other bit, in the other. Either may lack the end TLV, as lldpad's do; what follows on one
    /// is padding.
    ///
    /// It says no also to some answers that grant the request by other octets: decode then.
    ///
    /// - Parameters:
    ///   - answer: an ECPDU's payload, which may be anything.
    ///   - request: the payload of a PDU without organizationally specific TLVs; anything else is granted by nothing.
    /// - Returns: whether it does.
    public static func isGrant(_ answer: UnsafeRawBufferPointer, of request: UnsafeRawBufferPointer) -> Bool {
        var place = 2 + managerIDLength
        guard place < min(answer.count, request.count), OctetComparison.areSame(answer, request, in: 0..<place) else {
            return false
        }
        repeat {
            guard let end = association(in: request, at: place), end <= answer.count, case let status = place + 2,
                request[status] & VDPStatus.answer.rawValue == 0, answer[status] == VDPStatus.answer.rawValue,
                OctetComparison.areSame(answer, request, in: place..<status),
                OctetComparison.areSame(answer, request, in: status + 1..<end)
            else { return false }
            place = end
        } while !isEnd(of: request, place)
        return isEnd(of: answer, place)
    }

    /// Where the association TLV at a place ends; nil where there is none.
    private static func association(in octets: UnsafeRawBufferPointer, at place: Int) -> Int? {
        guard place + 2 + VSITLV.fixedLength <= octets.count else { return nil }
        let word = UInt16(octets[place]) << 8 | UInt16(octets[place + 1])
        let end = place + 2 + Int(word & 0x01FF)
        guard VDPCommand(rawValue: UInt8(truncatingIfNeeded: word >> 9)) != nil, end >= place + 2 + VSITLV.fixedLength,
            end <= octets.count
        else { return nil }
        return end
    }

    /// Whether a PDU ends at a place, by an end TLV or without one.
    private static func isEnd(of octets: UnsafeRawBufferPointer, _ place: Int) -> Bool {
        place == octets.count || place + 2 <= octets.count && octets[place] == 0 && octets[place + 1] == 0
    }
}
