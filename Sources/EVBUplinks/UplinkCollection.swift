internal import ChannelDataplane
package import EVBModel
package import EVBPorts
package import EVBSettings
internal import Logging

/// The uplinks of the daemon, by their interfaces.
package final class UplinkCollection: ChannelDirectory {
    /// An uplink, and whether it is given up.
    private struct Slot {
        let controller: UplinkController
        var isLeaving = false
    }

    private let surroundings: PortSurroundings
    private var slots: [String: Slot] = [:]
    private var wanted: [UplinkSettings] = []
    private var isStopping = false
    /// Whether it was looked for channels that no uplink here has.
    private var isLooked = false
    /// Finds the transport of the port on an interface.
    private let transport: (String) -> PortTransport?

    /// Called when ports of bridges' channels come or go.
    package var onPorts: (() -> Void)?
    /// Called with a channel whose other end knows nothing of it any more.
    package var onMoved: ((String) -> Void)?
    /// Called with the ports of which something is to be shown that was not so before.
    package var onDoubt: (([String]) -> Void)?
    /// Called with what is news about a port.
    package var onNews: ((PortNews, String) -> Void)?

    /// Has no uplinks before ``follow(_:leaving:)`` is called.
    package init(_ surroundings: PortSurroundings, transport: @escaping (String) -> PortTransport?) {
        self.surroundings = surroundings
        self.transport = transport
    }

    // MARK: The configuration

    /// Uplinks come, go and change.
    ///
    /// - Parameters:
    ///   - uplinks: what is configured.
    ///   - leaving: ports that still give back what they hold: their channels go when they have.
    package func follow(_ uplinks: [UplinkSettings], leaving: Set<String>) {
        wanted = uplinks
        tellOfStrangers()
        for (interface, slot) in slots where !slot.isLeaving {
            let settings = uplinks.first { $0.interface == interface }
            if let settings, slot.controller.canFollow(settings) {
                slot.controller.reconfigure(settings, closing: leaving)
            } else {
                slots[interface]?.isLeaving = true
                slot.controller.leave(closing: leaving) { [weak self] in self?.gone(interface) }
            }
        }
        for settings in uplinks where slots[settings.interface] == nil { begin(settings) }
    }

    /// Names, once, channels that no uplink here has.
    private func tellOfStrangers() {
        guard !isLooked else { return }
        isLooked = true
        let strangers = ChannelDevices.strangers(in: surroundings.table) { name in
            wanted.contains { $0.interface == name }
        }
        for (uplink, devices) in strangers.sorted(by: { $0.key < $1.key }) {
            surroundings.logger.warning(
                """
                S-channels are on an interface that the configuration does not divide; they stay as they are, with their rules of tc: \
                give the interface s-channels, or remove them (ip link delete NAME)
                """, metadata: ["interface": "\(uplink)", "links": "\(devices.joined(separator: ","))"])
        }
    }

    private func begin(_ settings: UplinkSettings) {
        let controller = UplinkController(settings, surroundings)
        controller.onPorts = { [weak self] in self?.onPorts?() }
        controller.onMoved = { [weak self] in self?.onMoved?($0) }
        controller.onDoubt = { [weak self] in self?.onDoubt?($0) }
        controller.onNews = { [weak self] in self?.onNews?($0, $1) }
        slots[settings.interface] = Slot(controller: controller)
        if let transport = transport(settings.interface) { controller.join(transport) }
    }

    private func gone(_ interface: String) {
        slots[interface] = nil
        guard !isStopping, let settings = wanted.first(where: { $0.interface == interface }) else { return }
        begin(settings)
        onPorts?()
    }

    /// The ports of channels for which a station asks a bridge's uplink, with settings that are about to hold.
    package func ports(of settings: UplinkSettings) -> [PortSettings] {
        guard let slot = slots[settings.interface], !slot.isLeaving, slot.controller.canFollow(settings) else {
            return []
        }
        return slot.controller.demand(under: settings).sorted().map { settings.port($0) }
    }

    // MARK: Ports and links

    /// A port of an interface has begun.
    package func join(_ transport: PortTransport) { slots[transport.name]?.controller.join(transport) }

    /// A port has closed.
    package func portClosed(_ name: String) {
        for slot in slots.values { slot.controller.portClosed(name) }
    }

    /// Something about a link has changed.
    package func linkChanged(_ name: String) {
        for slot in slots.values { slot.controller.linkChanged(name) }
    }

    /// evbd stops; channels stay as they are.
    package func stop() {
        isStopping = true
        for slot in slots.values { slot.controller.stop() }
    }

    // MARK: What can be seen

    package func channel(_ port: String) -> SChannelStatus? {
        slots.isEmpty ? nil : slots.values.lazy.compactMap { $0.controller.channel(port) }.first
    }

    package func uplink(_ port: String) -> UplinkStatus? { slots[port]?.controller.status }

    package func problems(_ port: String) -> [PortProblem] { slots.values.flatMap { $0.controller.problems(port) } }

    package func counters(_ port: String) -> [Counter: UInt64] { slots[port]?.controller.counters ?? [:] }
}
