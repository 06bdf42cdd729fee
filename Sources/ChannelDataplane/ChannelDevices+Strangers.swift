package import Dataplane
internal import Netlink

extension ChannelDevices {
    /// Devices of channels at interfaces that are no uplinks here, by these. An earlier evbd has left them, or they are another
    /// evbd's; machines may hang on them.
    package static func strangers(in table: LinkTable, unless isUplink: (String) -> Bool) -> [String: [String]] {
        let devices = table.links(alias: UplinkPlan.alias)
        return Dictionary(grouping: devices) { $0.parentIndex.flatMap { table[$0]?.name } ?? "" }
            .filter { !$0.key.isEmpty && !isUplink($0.key) }.mapValues { $0.map(\.name).sorted() }
    }
}
