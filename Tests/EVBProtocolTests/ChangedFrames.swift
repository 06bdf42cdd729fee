import EVBTime

@testable import EVBProtocol
@testable import EVBWire

extension Frame {
    /// What an ECPDU asks; nil for another frame.
    var requestPayload: [UInt8]? {
        guard case .ecp(let ecpdu) = payload, ecpdu.operation == .request else { return nil }
        return ecpdu.payload
    }

    /// The frame with something else in its VDPDU, at a place or in all of it; the same frame where it asks nothing. What `change` does not
    /// change has one bit of its octets changed.
    func changed(
        _ random: inout SplitMix64, _ change: (inout VDPDU, _ place: Int, inout SplitMix64) -> Bool
    ) -> Frame {
        guard case .ecp(var ecpdu) = payload, ecpdu.operation == .request,
            var pdu = try? VDPDU.decode(ecpdu.payload).pdu, !pdu.associations.isEmpty
        else { return self }
        if change(&pdu, random.below(pdu.associations.count), &random) {
            ecpdu.payload = pdu.encoded()
        } else {
            let octet = random.below(ecpdu.payload.count)
            ecpdu.payload[octet] ^= 1 << UInt8(random.below(8))
        }
        return Frame(destination: destination, source: source, payload: .ecp(ecpdu))
    }
}
