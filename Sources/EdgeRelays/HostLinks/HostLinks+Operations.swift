internal import Dataplane
internal import EVBLog
package import EVBWire
package import EdgeRelayMachine
internal import EventLoop
internal import LinuxSystem
internal import Logging
package import Netlink

// Makes the machine's operations on links of the host.

extension HostLinks {
    /// Commands that the worker is given at a time, those that only set a link down, and deletions, which it performs together. What it has
    /// is done, also when evbd stops; what is set down may be deleted instead as long as the worker does not have it.
    private static let (windowMax, closingMax, deletionsMax) = (16, 4, LinkRemoval.linksMax)

    /// A command in its turn.
    struct Waiting {
        var command: LinkCommand
        /// Called instead of the command where what it is for is not wanted any more.
        var unlessWanted: (isWanted: () -> Bool, done: () -> Void)?
        var then: (Result<Link?, NetlinkError>) -> Void
    }

    package func begin(_ vsiID: VSIID, _ operation: LinkOperation, completion: @escaping (LinkResult) -> Void) {
        switch operation {
        case .create(let spec, let vlan, let mode):
            create(Creation(vsiID: vsiID, spec: spec, vlan: vlan, mode: mode, completion: completion))
        case .delete(let index):
            whenHostIsOff { links in links.run(operation, .delete(index: index), completion) }
        case .look(let index): run(operation, .look(index: index), completion)
        case .locate: search(vsiID, completion: completion)
        case .setMode(let index, let mode):
            run(operation, .setMacvlanMode(index: index, MacvlanMode(mode)), completion)
        case .setMTU(let index, let mtu): run(operation, .setMTU(index: index, mtu), completion)
        case .keepFromHost(let index):
            whenHostIsOff { links in links.run(operation, .keepHostOff(index: index), completion) }
        case .installFilter(let index):
            // The kernel has told of a new link before it answered, but that may not have been read yet.
            guard table[index] == nil else { return installFilter(vsiID, index, completion) }
            table.whenCaughtUp { [weak self] in self?.installFilter(vsiID, index, completion) }
        case .openAddresses:
            gate.whenOpen(vsiID) { problem in completion(problem.map { .failed(Self.unopened($0)) } ?? .done) }
        case .setUp(let index, false):
            // Its deletion cuts it just as well, and sooner: to set down one after the other takes the kernel longer than that.
            let unlessWanted = (
                isWanted: { [weak self] in self?.isToBeDeleted(vsiID) != true }, done: { completion(.done) }
            )
            submit(.setUp(index: index, false), unlessWanted: unlessWanted) { links, result in
                completion(links.result(of: result, operation))
            }
        case .setUp(let index, true): run(operation, .setUp(index: index, true), completion)
        case .adjust, .reset:
            completion(.failed(LinkFailure(.other, "\(operation): a link of the host has no such operation")))
        }
    }

    private func installFilter(_ vsiID: VSIID, _ index: Int32, _ completion: @escaping (LinkResult) -> Void) {
        guard let link = table[index] else { return completion(.gone) }
        guests.secure(link) { [weak self] problem in
            if let problem { self?.tellUnguarded(vsiID, link, problem) } else { self?.unguarded[vsiID] = nil }
            completion(.done)
        }
    }

    private static func unopened(_ problem: String) -> LinkFailure {
        LinkFailure(
            .unopened, "open the guest filter: frames of the VSI are still dropped, for nftables refuses: \(problem)")
    }

    private func run(
        _ operation: LinkOperation, _ command: LinkCommand, _ completion: @escaping (LinkResult) -> Void
    ) {
        submit(command) { links, result in completion(links.result(of: result, operation)) }
    }

    private func result(of result: Result<Link?, NetlinkError>, _ operation: LinkOperation) -> LinkResult {
        switch result {
        case .success(let link?): return .link(value(link))
        case .success(nil):
            // Why it is gone was said before.
            table.catchUp()
            // One of several that were deleted together may have left before, and may even be back.
            if case .delete(let index) = operation, table.isElsewhere(index) || table.isComplete && table[index] != nil
            {
                return .failed(LinkFailure(.notFound, "delete interface \(index): it is in another network namespace"))
            }
            return .gone
        case .failure(let error):
            if error.kind == .notFound { table.catchUp() }
            return .failed(explained(error, of: operation))
        }
    }

    // MARK: Creating

    /// A link that is being created.
    private struct Creation {
        var vsiID: VSIID
        var spec: LinkSpec
        var vlan: UInt16?
        var mode: RelayMode
        var completion: (LinkResult) -> Void

        var operation: LinkOperation { .create(spec, vlan: vlan, mode) }

        func words(_ portName: String) -> String { "create \(spec.kind ?? "link") \(spec.name ?? "") on \(portName)" }
    }

    private func create(_ creation: Creation) {
        whenHostIsOff { links in
            guard let port = links.table[links.portName] else {
                let text = "\(creation.words(links.portName)): the port was removed"
                return creation.completion(.failed(LinkFailure(.notFound, text)))
            }
            if let bond = links.bond(of: port) {
                let text = "\(creation.words(links.portName)): \(Self.refusal(port.name, in: bond))"
                return creation.completion(.failed(LinkFailure(.other, text)))
            }
            guard let vlan = creation.vlan else { return links.create(creation, nil, on: port.index) }
            if let device = links.vlanDevice(vlan, on: port) {
                return links.create(creation, vlan, on: device.index)
            }
            let device = VLANDevice(
                name: links.vlanName(vlan, on: port), parentIndex: port.index, vid: vlan, alias: EdgeRelay.vlanAlias)
            links.submit(.ensureVLAN(device)) { links, result in
                switch result {
                case .success(let link): links.create(creation, vlan, on: link?.index ?? port.index)
                case .failure(let error) where error.kind == .notSupported:
                    links.tellOfVLANs(creation.vsiID, vlan)
                    links.create(creation, nil, on: port.index)
                case .failure(let error): creation.completion(.failed(LinkFailure(error)))
                }
            }
        }
    }

    private func create(_ creation: Creation, _ vlan: UInt16?, on parent: Int32) {
        let spec = creation.spec
        let macvlan = MacvlanSpec(
            name: spec.name ?? "", kind: spec.kind.flatMap { MacvlanSpec.Kind(rawValue: $0) } ?? .macvtap,
            mode: MacvlanMode(creation.mode), parentIndex: parent,
            address: spec.addresses.first.map { HardwareAddress($0.rawValue) }, mtu: spec.mtu,
            alias: EdgeRelay.alias(creation.vsiID), sources: spec.sources.map { HardwareAddress($0.rawValue) },
            allmulticast: spec.allmulticast, up: false)
        submit(.create(macvlan)) { links, result in
            guard case .success(let link?) = result else {
                return creation.completion(links.result(of: result, creation.operation))
            }
            links.resumed.remove(creation.vsiID)
            creation.completion(.link(links.value(link), .created(vlan: vlan)))
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
    private func whenHostIsOff(_ body: @escaping (HostLinks) -> Void) {
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
    package func submit(
        _ command: LinkCommand, unlessWanted: (isWanted: () -> Bool, done: () -> Void)? = nil,
        then: @escaping (HostLinks, Result<Link?, NetlinkError>) -> Void
    ) {
        let completion = { [weak self] (result: Result<Link?, NetlinkError>) in
            guard let self else { return }
            then(self, result)
        }
        guard !isStopped else { return completion(.failure(Self.stopping)) }
        queue.append(Waiting(command: command, unlessWanted: unlessWanted, then: completion))
        refill()
    }

    package static var stopping: NetlinkError {
        NetlinkError(operation: "change a link", kind: .cancelled, reason: "evbd is stopping")
    }

    private func refill() {
        // What is called from here may submit more, which this loop takes.
        guard !isRefilling else { return }
        isRefilling = true
        defer { isRefilling = false }
        while let next = queue.first {
            if let wish = next.unlessWanted, !wish.isWanted() {
                _ = queue.popFirst()
                wish.done()
                continue
            }
            let window: ReferenceWritableKeyPath<HostLinks, Int>
            if case .delete = next.command {
                guard deletionsUnderWay < Self.deletionsMax else { return }
                window = \.deletionsUnderWay
            } else {
                let isClosing = if case .setUp(_, false) = next.command { true } else { false }
                guard underWay < (isClosing ? Self.closingMax : Self.windowMax) else { return }
                window = \.underWay
            }
            _ = queue.popFirst()
            give(next, counting: window)
        }
    }

    private func give(_ next: Waiting, counting window: ReferenceWritableKeyPath<HostLinks, Int>) {
        self[keyPath: window] += 1
        let isTaken = programmer.submit(next.command, of: portName) { [weak self] result in
            self?[keyPath: window] -= 1
            next.then(result)
            self?.refill()
        }
        guard !isTaken else { return }
        self[keyPath: window] -= 1
        next.then(.failure(Self.stopping))
    }
}
