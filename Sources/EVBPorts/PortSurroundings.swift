package import Dataplane
internal import EVBModel
package import EventLoop
package import Logging
package import OpenVSwitch

/// What all ports share.
package struct PortSurroundings {
    package let loop: EventLoop
    package let timers: Timers
    package let table: LinkTable
    package let programmer: KernelQueue
    package let logger: Logger
    /// The directory for what lives until the next boot.
    package let runtimeDirectory: String
    package let claims: InterfaceClaims
    package let resources: ResourcePool
    /// Whether an interface is one of evbd's ports.
    package let isPort: (String) -> Bool
    /// Is told what happens to VSIs.
    package var record: (VSIRecord) -> Void = { _ in }
    /// The same of very many VSIs at once.
    package var recordAll: (VSIRecords) -> Void = { _ in }
    /// Milliseconds since 1970 (UTC).
    package var wallClock: () -> Int = { 0 }
    /// The host's Open vSwitch.
    package var openVSwitch: OpenVSwitch?
    /// Knows the S-channels.
    package weak var channels: (any ChannelDirectory)?

    package init(
        loop: EventLoop, timers: Timers, table: LinkTable, programmer: KernelQueue, logger: Logger,
        runtimeDirectory: String, claims: InterfaceClaims, resources: ResourcePool, isPort: @escaping (String) -> Bool
    ) {
        self.loop = loop
        self.timers = timers
        self.table = table
        self.programmer = programmer
        self.logger = logger
        self.runtimeDirectory = runtimeDirectory
        self.claims = claims
        self.resources = resources
        self.isPort = isPort
    }

    /// Which S-channel a port is; nil for one that is none.
    func channel(_ port: String) -> SChannelStatus? { channels?.channel(port) }
}
