import EVBProtocol
import EVBSettings
import Testing

@testable import EVBPorts

@Suite struct ResourcePoolTests {
    @Test("SEC-84 a port has what there is, less what the other ports take")
    func room() {
        let pool = ResourcePool(limits: ResourceLimits(vsisPerPort: 5, vsis: 10, filterEntries: 100))
        #expect(pool.room(for: "a") == ResourceRoom(vsis: 10, filterEntries: 100))
        pool.set(ResourceUse(vsis: 4, filterEntries: 60), of: "a")
        pool.set(ResourceUse(vsis: 3, filterEntries: 30), of: "b")
        #expect(pool.room(for: "a") == ResourceRoom(vsis: 7, filterEntries: 70))
        #expect(pool.room(for: "c") == ResourceRoom(vsis: 3, filterEntries: 10))
        pool.set(ResourceUse(vsis: 1, filterEntries: 10), of: "a")
        pool.set(ResourceUse(), of: "b")
        #expect(pool.total == ResourceUse(vsis: 1, filterEntries: 10))
        // A lower limit may be exceeded already: then there is no room, and no trap.
        pool.limits = ResourceLimits(vsisPerPort: 1, vsis: 1, filterEntries: 1)
        #expect(pool.room(for: "b") == ResourceRoom(vsis: 0, filterEntries: -9))
    }
}
