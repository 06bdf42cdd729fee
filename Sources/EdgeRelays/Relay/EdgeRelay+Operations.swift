internal import Dataplane
internal import EVBLog
package import EVBWire
package import EdgeRelayMachine
internal import EventLoop
internal import LinuxSystem
internal import Logging
package import Netlink

// Makes the machine's operations.

extension EdgeRelay {
    /// Commands that the worker is given at a time. What it has is done, also when evbd stops.
    private static let windowMax = 16

    /// Begins an operation.
    package func begin(_ vsiID: VSIID, _ operation: LinkOperation) {
        switch operation {
        case .create(let spec, let vlan, let mode): create(vsiID, operation, spec, vlan, mode)
        case .delete(let index): run(vsiID, operation, .delete(index: index))
        case .look(let index): run(vsiID, operation, .look(index: index))
        case .locate: search(vsiID) { relay, result in relay.finished(vsiID, operation, result) }
        case .setMode(let index, let mode):
            run(vsiID, operation, .setMacvlanMode(index: index, MacvlanMode(mode)))
        case .setMTU(let index, let mtu): run(vsiID, operation, .setMTU(index: index, mtu))
        case .keepFromHost(let index):
            whenHostIsOff { relay in relay.run(vsiID, operation, .keepHostOff(index: index)) }
        case .installFilter(let index):
            // The kernel has told of a new link before it answered, but that may not have been read yet.
            guard table[index] == nil else { return installFilter(vsiID, operation, index) }
            table.whenCaughtUp { [weak self] in self?.installFilter(vsiID, operation, index) }
        case .openAddresses:
            gate.whenOpen(vsiID) { [weak self] problem in
                self?.finished(vsiID, operation, problem.map { .failed(Self.unopened($0)) } ?? .done)
            }
        case .setUp(let index, let isUp): run(vsiID, operation, .setUp(index: index, isUp))
        case .adjust, .reset:
            functions.begin(vsiID, operation) { [weak self] result in self?.finished(vsiID, operation, result) }
        }
    }

    private func installFilter(_ vsiID: VSIID, _ operation: LinkOperation, _ index: Int32) {
        guard let link = table[index] else { return finished(vsiID, operation, .gone) }
        guests.secure(link) { [weak self] problem in
            if let problem { self?.tellUnguarded(vsiID, link, problem) } else { self?.unguarded[vsiID] = nil }
            self?.finished(vsiID, operation, .done)
        }
    }

    private static func unopened(_ problem: String) -> LinkFailure {
        LinkFailure(
            .unopened, "open the guest filter: frames of the VSI are still dropped, for nftables refuses: \(problem)")
    }

    private func finished(_ vsiID: VSIID, _ operation: LinkOperation, _ result: LinkResult) {
        perform(machine.finished(vsiID, operation, result, self))
    }

    private func run(_ vsiID: VSIID, _ operation: LinkOperation, _ command: LinkCommand) {
        submit(command) { relay, result in relay.finished(vsiID, operation, relay.result(of: result, operation)) }
    }

    private func result(of result: Result<Link?, NetlinkError>, _ operation: LinkOperation) -> LinkResult {
        switch result {
        case .success(let link?): return .link(value(link))
        case .success(nil):
            // Why it is gone was said before.
            table.catchUp()
            return .gone
        case .failure(let error):
            if error.kind == .notFound { table.catchUp() }
            return .failed(explained(error, of: operation))
        }
    }

    // MARK: Creating

    private func create(
        _ vsiID: VSIID, _ operation: LinkOperation, _ spec: LinkSpec, _ vlan: UInt16?, _ mode: RelayMode
    ) {
        whenHostIsOff { relay in
            guard let port = relay.table[relay.portName] else {
                let name = "create \(spec.kind ?? "link") \(spec.name ?? "") on \(relay.portName)"
                return relay.finished(
                    vsiID, operation, .failed(LinkFailure(.notFound, "\(name): the port was removed")))
            }
            if let bond = relay.bond(of: port) {
                let name = "create \(spec.kind ?? "link") \(spec.name ?? "") on \(relay.portName)"
                return relay.finished(
                    vsiID, operation, .failed(LinkFailure(.other, "\(name): \(Self.refusal(port.name, in: bond))")))
            }
            guard let vlan else { return relay.create(vsiID, operation, spec, nil, on: port.index, mode) }
            if let device = relay.vlanDevice(vlan, on: port) {
                return relay.create(vsiID, operation, spec, vlan, on: device.index, mode)
            }
            let device = VLANDevice(
                name: relay.vlanName(vlan, on: port), parentIndex: port.index, vid: vlan, alias: Self.vlanAlias)
            relay.submit(.ensureVLAN(device)) { relay, result in
                switch result {
                case .success(let link):
                    relay.create(vsiID, operation, spec, vlan, on: link?.index ?? port.index, mode)
                case .failure(let error) where error.kind == .notSupported:
                    relay.tellOfVLANs(vsiID, vlan)
                    relay.create(vsiID, operation, spec, nil, on: port.index, mode)
                case .failure(let error): relay.finished(vsiID, operation, .failed(LinkFailure(error)))
                }
            }
        }
    }

    private func create(
        _ vsiID: VSIID, _ operation: LinkOperation, _ spec: LinkSpec, _ vlan: UInt16?, on parent: Int32,
        _ mode: RelayMode
    ) {
        let macvlan = MacvlanSpec(
            name: spec.name ?? "", kind: spec.kind.flatMap { MacvlanSpec.Kind(rawValue: $0) } ?? .macvtap,
            mode: MacvlanMode(mode), parentIndex: parent,
            address: spec.addresses.first.map { HardwareAddress($0.rawValue) }, mtu: spec.mtu,
            alias: Self.alias(vsiID), sources: spec.sources.map { HardwareAddress($0.rawValue) },
            allmulticast: spec.allmulticast, up: false)
        submit(.create(macvlan)) { relay, result in
            guard case .success(let link?) = result else {
                return relay.finished(vsiID, operation, relay.result(of: result, operation))
            }
            relay.resumed.remove(vsiID)
            relay.finished(vsiID, operation, .link(relay.value(link), .created(vlan: vlan)))
        }
    }

    /// The name of the bond or team that a port is a member of; nil where it is in none.
    package func bond(of port: Link) -> String? {
        guard let master = port.masterIndex.flatMap({ table[$0] }), master.kind == "bond" || master.kind == "team"
        else {
            return nil
        }
        return master.name
    }

    /// Why no link can be made on a member of a bond, and what to do.
    package static func refusal(_ port: String, in bond: String) -> String {
        "\(port) is a member of \(bond), where the kernel allows no macvtap and no macvlan; make \(bond) the port"
    }

    private func tellOfVLANs(_ vsiID: VSIID, _ vlan: UInt16) {
        untagged.insert(vsiID)
        guard !hasToldOfVLANs else { return }
        hasToldOfVLANs = true
        trouble(
            vsiID,
            "this kernel has no VLAN devices, so its machine has to tag its frames with VLAN \(vlan) itself: load "
                + "the module 8021q, and de-associate and associate it to have that done for it")
    }

    /// Waits, once, until nftables keeps the host's IP off the links that are about to be made, or cannot.
    private func whenHostIsOff(_ body: @escaping (EdgeRelay) -> Void) {
        guard !isHostOff else { return body(self) }
        filter.keepHostOff { [weak self] _ in
            guard let self else { return }
            isHostOff = true
            body(self)
        }
    }

    // MARK: The guest filter

    /// The machine's frames pass nevertheless: a host without nftables would be without machines.
    private func tellUnguarded(_ vsiID: VSIID, _ link: Link, _ problem: String) {
        unguarded[vsiID] = problem
        let text =
            "the machine behind \(link.name) can speak LLDP and ECP to the switch, and so de-associate its neighbours, "
            + "for the guest filter cannot be set up: \(problem)"
        guard !hasToldOfFilter else {
            return logger.alert(.enforcementFailed).warning("\(text)", metadata: facts(vsiID))
        }
        hasToldOfFilter = true
        trouble(
            vsiID,
            text + "; it needs nftables with the egress hook of the family netdev (Linux 5.16), "
                + "and guest-filter: false does without")
    }

    // MARK: Commands

    /// Gives a command to the worker in its turn.
    package func submit(_ command: LinkCommand, then: @escaping (EdgeRelay, Result<Link?, NetlinkError>) -> Void) {
        let completion = { [weak self] (result: Result<Link?, NetlinkError>) in
            guard let self else { return }
            then(self, result)
        }
        guard !isStopped else { return completion(.failure(Self.stopping)) }
        queue.append((command, completion))
        refill()
    }

    package static var stopping: NetlinkError {
        NetlinkError(operation: "change a link", kind: .cancelled, reason: "evbd is stopping")
    }

    private func refill() {
        while underWay < Self.windowMax, let next = queue.popFirst() {
            underWay += 1
            let isTaken = programmer.submit(next.command, of: portName) { [weak self] result in
                self?.underWay -= 1
                next.then(result)
                self?.refill()
            }
            guard !isTaken else { continue }
            underWay -= 1
            next.then(.failure(Self.stopping))
        }
    }
}
