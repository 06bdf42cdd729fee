import NetnsSupport
import PacketSocket
import Testing

/// One holder of an interface at a time. In a namespace of its own: packet sockets need CAP_NET_RAW.
@Suite(.serialized, .enabled(if: inOwnNamespace)) struct InterfaceClaimTests {
    @Test("SEC-94 an interface is had once, whatever its index, and those of like indexes are had beside it")
    func once() throws {
        // The same low 16 bits; the same numbers of other groups.
        let indexes: [Int32] = [7, 0x1_0007, 0x2_0007, 0x3FF_0007, 7 ^ 0x25A5, 7 ^ 0x4B4A, 1, 0x7FFF_FFFF]
        let claims = try indexes.map { try InterfaceClaim(interfaceIndex: $0) }
        #expect(claims.allSatisfy { $0 != nil })
        for index in indexes {
            let again = try InterfaceClaim(interfaceIndex: index)
            #expect(again == nil, "\(index)")
        }
        withExtendedLifetime(claims) {}
    }

    @Test("SEC-94 an interface is free again when its holder has gone")
    func again() async throws {
        // No interface of another test has this index.
        let index: Int32 = 0x7000_0011
        var claim = try InterfaceClaim(interfaceIndex: index)
        let second = try InterfaceClaim(interfaceIndex: index)
        #expect(claim != nil && second == nil)
        claim = nil
        // A process that another test starts at this moment has a copy of the claim's sockets until its program runs.
        var third = try InterfaceClaim(interfaceIndex: index)
        let deadline = ContinuousClock.now + .seconds(20)
        while third == nil, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(10))
            third = try InterfaceClaim(interfaceIndex: index)
        }
        #expect(third != nil)
    }
}
