internal import Dataplane
internal import EVBSettings
package import EVBWire
package import EdgeRelayMachine
internal import LinuxSystem
internal import Netlink

/// The virtual functions of a port's network card: address, VLAN, priority, spoof check and link state follow the association.
///
/// Set when the bridge has granted it, link state and all else in one request; while it does not, the link is down (`gate: down`);
/// reset when the VSI's manager wants it no more. The kernel tells nothing of a function, so that its state is unknown until evbd has set it.
package final class VirtualFunctions: LinkBackend {
    /// The function that a VSI is to have.
    package struct Demand: Equatable {
        package var number: UInt32
        package var address: MACAddress
        /// The priority that the filter asks for.
        package var priority: UInt8?

        package init(number: UInt32, address: MACAddress, priority: UInt8? = nil) {
            self.number = number
            self.address = address
            self.priority = priority
        }

        /// As it is named in requests and replies: `vf:3`.
        package var name: String { Self.prefix + "\(number)" }

        package static let prefix = "vf:"

        /// The number in a name; nil if it is the name of something else.
        package static func number(in name: String) -> UInt32? {
            guard name.hasPrefix(prefix) else { return nil }
            let digits = name.dropFirst(prefix.count)
            guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), digits.count == 1 || digits.first != "0"
            else {
                return nil
            }
            return UInt32(digits)
        }
    }

    private let programmer: KernelQueue
    private let portName: String
    private let portIndex: () -> Int32?
    private let cardSwitch: CardSwitch
    /// The functions that are VSIs'.
    private var used: Set<UInt32> = []

    /// - Parameters:
    ///   - programmer: Sets the functions.
    ///   - portName: The physical function.
    ///   - portIndex: Its index, while it is there.
    ///   - cardSwitch: What relays between the functions.
    init(programmer: KernelQueue, portName: String, portIndex: @escaping () -> Int32?, cardSwitch: CardSwitch) {
        self.cardSwitch = cardSwitch
        self.programmer = programmer
        self.portName = portName
        self.portIndex = portIndex
    }

    // MARK: LinkBackend

    package let operations: Set<LinkOperation.Kind> = [.adjust, .reset]

    package func serves(_ origin: LinkSpec.Origin) -> Bool { if case .assigned = origin { true } else { false } }

    package func conflict(_ spec: LinkSpec, of vsiID: VSIID, in slot: LinkSlot?, holder: VSIID?) -> String? {
        guard case .assigned(let number, _) = spec.origin, let name = spec.name else { return nil }
        if let actual = slot?.actual, actual.ownership?.isAssigned == false, let own = actual.name {
            return "the VSI already has the link \(own): de-associate it first to change that"
        }
        if let holder, holder != vsiID { return "\(name) of \(portName) belongs to VSI \(holder): choose another" }
        if let own = slot?.desired.spec, let ownName = own.name, serves(own.origin), own != spec {
            return "the VSI already has \(ownName): de-associate it first to change that"
        }
        // The one that it is giving up.
        if slot?.desired == .absent, let own = slot?.actual.name, own != name {
            return "the VSI already has \(own): de-associate it first to change that"
        }
        let file = "/sys/class/net/\(portName)/device/sriov_numvfs"
        let text = (try? Files.read(file, limit: 64)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let count = UInt32(text.filter { $0 != "\n" }) ?? 0
        if number < count { return nil }
        return count == 0
            ? "\(portName) has no virtual functions: write the number of them to \(file), or choose another link"
            : "\(portName) has \(count) virtual functions, from vf:0 on: choose one of these, or write another number to \(file)"
    }

    package func candidate(
        for vsiID: VSIID, _ spec: LinkSpec, vlan: UInt16?, except discarded: Int32?, holder: (String) -> VSIID?
    ) -> LinkCandidate? {
        guard case .assigned(let number, _) = spec.origin, portIndex() != nil else { return nil }
        let function = KernelLink(index: 0, name: Demand.prefix + "\(number)", settings: LinkSettings())
        return LinkCandidate(function, .assigned(number: number))
    }

    package func begin(_ vsiID: VSIID, _ operation: LinkOperation, completion: @escaping (LinkResult) -> Void) {
        switch operation {
        case .adjust(let number, let settings):
            used.insert(number)
            // In the queue before the function, so that it passes nothing in another mode.
            cardSwitch.use(true)
            set(number, settings, completion)
        case .reset(let number, let settings):
            used.remove(number)
            set(number, settings, completion)
            cardSwitch.use(!used.isEmpty)
        default: completion(.failed(LinkFailure(.other, "\(operation): a virtual function has no such operation")))
        }
    }

    private func set(_ number: UInt32, _ settings: LinkSettings, _ completion: @escaping (LinkResult) -> Void) {
        let name = "set \(Demand.prefix)\(number) of \(portName)"
        guard let index = portIndex() else {
            return completion(.failed(LinkFailure(.noPort, "\(name): the port was removed")))
        }
        let isTaken = programmer.submit(
            .setVirtualFunction(portIndex: index, VirtualFunctionSettings(number, settings)), of: portName
        ) { result in
            switch result {
            case .success: completion(.done)
            case .failure(let error): completion(.failed(LinkFailure(error)))
            }
        }
        if !isTaken { completion(.failed(LinkFailure(.cancelled, "\(name): evbd is stopping"))) }
    }
}

extension VirtualFunctionSettings {
    fileprivate init(_ number: UInt32, _ settings: LinkSettings) {
        self.init(number: number)
        address = settings.address.map { HardwareAddress($0.rawValue) }
        vlan = settings.vlan
        priority = settings.priority
        spoofCheck = settings.spoofCheck
        linkState = settings.state.map { $0 == .auto ? .auto : .disable }
    }
}
