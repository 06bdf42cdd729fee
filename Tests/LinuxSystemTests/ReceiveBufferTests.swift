import Glibc
import LinuxSystem
import Testing

@Suite struct ReceiveBufferTests {
    /// Pages of some memory that are in use (mincore(2) tells it of memory that no file is behind).
    private func pagesInUse(_ octets: UnsafeMutableRawBufferPointer) -> Int {
        var pages = [UInt8](repeating: 0, count: (octets.count + 4095) / 4096)
        #expect(mincore(octets.baseAddress, octets.count, &pages) == 0)
        return pages.count { $0 & 1 == 1 }
    }

    @Test("SPD-193 Of a long buffer only what was received into is in use")
    func onlyWhatIsUsedIsInUse() {
        let buffer = ReceiveBuffer(length: 64 << 10)
        #expect(buffer.octets.count == 64 << 10)
        #expect(pagesInUse(buffer.octets) == 0)
        buffer.octets[0] = 1
        buffer.octets[5000] = 2
        #expect(pagesInUse(buffer.octets) == 2)
        #expect(buffer.octets[4999] == 0)
        buffer.octets[buffer.octets.count - 1] = 3
        #expect(pagesInUse(buffer.octets) == 3)
    }
}
