package import BridgeDataplane
internal import Dataplane
internal import EVBLog
internal import EVBProtocol
package import EVBSettings
internal import EVBTime
internal import EVBWire
internal import EventLoop
internal import LinuxSystem
internal import Logging

extension TypedAdmission {
    // MARK: Ports

    /// Takes a port over, or gives it another database while it runs.
    ///
    /// VSIs that the database allows stay, under what it imposes now; the others are told to ``onRevoked``, after this returns at
    /// the earliest.
    package func configure(_ name: String, _ database: VSITypeDatabase) {
        guard let port = ports[name] else {
            let port = Port(database: database, loop: loop)
            ports[name] = port
            attach(port, name)
            return configured(name, database)
        }
        guard port.database != database else { return }
        let hasOtherOverlay = port.database.overlay != database.overlay
        port.replace(database)
        if hasOtherOverlay, port.isAttached { setOverlay(port, name) }
        for vsiID in port.held.keys { review(Key(port: name, vsiID: vsiID)) }
        configured(name, database)
    }

    private func configured(_ name: String, _ database: VSITypeDatabase) {
        registry.protect(database.protectedAddresses, by: .types(of: name))
        claimStations(name, database)
    }

    /// Gives a port up: what is imposed there is taken back.
    package func leave(_ name: String) {
        guard let port = ports.removeValue(forKey: name) else { return }
        if ports.isEmpty { endWatch() }
        for key in reviews.keys where key.port == name { reviews[key] = nil }
        let error = EnforcementError(description: "the port is being removed")
        port.told.finish()
        for waiting in port.waiting.removeAll() { waiting.completion?(error) }
        _ = programmer.perform(BridgeOperation.detach(name), of: name) { [weak self, logger] answer in
            if case .failed(let error)? = answer {
                logger.alert(.enforcementFailed).error(
                    "not everything could be taken back", metadata: ["port": "\(name)", "reason": "\(error)"])
            }
            guard let self, ports.isEmpty else { return }
            _ = try? Files.unlink(note)
        }
    }

    /// Takes back what an evbd before this one has left on ports that have no VSI types now.
    package func removeLeftovers(keeping names: Set<String>) {
        guard !names.isEmpty || (try? Files.read(note, limit: 0)) != nil else { return }
        if names.isEmpty { _ = try? Files.unlink(note) }
        removeTables(endsInheritance: names.isEmpty)
        _ = programmer.perform(BridgeOperation.removeLeftovers(keeping: names)) { _ in }
    }

    private func attach(_ port: Port, _ name: String) {
        watchRules()
        try? Files.writeAtomically(note, [], mode: 0o644)
        let turn = port.changing.begin(.attach)
        _ = programmer.perform(BridgeOperation.attach(name), of: name) { [weak self, weak port] answer in
            // Another may have the name by now, and waits for an answer of its own.
            guard let self, let port, let answer, ports[name] === port, port.changing.ended(turn) != nil else { return }
            attached(port, name, answer)
        }
    }

    private func attached(_ port: Port, _ name: String, _ answer: BridgeOperation.Answer) {
        switch answer {
        case .attached(let hasInherited, let learning):
            port.isAttached = true
            if hasInherited { endInheritance(of: name) }
            if let learning { reportFabric(name, learning.filter { ports[$0] == nil }) }
        case .failed(let error):
            logger.alert(.enforcementFailed).error(
                "what VSI types impose cannot be put into force here: every association is refused",
                metadata: ["port": "\(name)", "reason": "\(error)"])
        case .done, .changed, .restored, .compared, .overlay, .tables: break
        }
        if port.isAttached { setOverlay(port, name) }
        flush(name)
    }

    /// What the evbd before has imposed and no station claims again goes in the end.
    private func endInheritance(of name: String) {
        logger.notice("what was in force before this start stays until it is claimed", metadata: ["port": "\(name)"])
        let timer = timers.timer { [weak self] in
            self?.ports[name]?.patience = nil
            // A part at a time: it may be much, and other ports have their turns in between.
            let entries = Self.batchEntriesMax
            self?.change(name, .withdrawSome(.inherited, entries), entries: entries, nil)
        }
        timer.set(timers.now + Self.inheritancePatience)
        ports[name]?.patience = timer
    }

    /// Reports that the bridge is one box of several.
    private func reportFabric(_ name: String, _ learning: [String]) {
        logger.info(
            "the bridge has a VXLAN port: entries for VSIs are not sticky, and the port learns nothing",
            metadata: ["port": "\(name)"])
        guard !learning.isEmpty else { return }
        let names =
            learning.prefix(Self.takenMax).joined(separator: ", ") + (learning.count > Self.takenMax ? ", ..." : "")
        logger.notice(
            "other ports of the bridge learn: a frame that they bring in can move a VSI's address there (bridge link set dev PORT learning off)",
            metadata: ["port": "\(name)", "learning": "\(names)"])
    }

    private func claimStations(_ name: String, _ database: VSITypeDatabase) {
        let former = ports[name]?.stations
        let token = database.allowedAddresses.isEmpty ? nil : makeToken()
        ports[name]?.stations = token
        if let token {
            let addresses = database.allowedAddresses
            change(name, .stations(token, addresses), entries: addresses.count) { [weak self] error in
                guard let error else { return }
                self?.logger.alert(.enforcementFailed).error(
                    "allow-macs is not in force", metadata: ["port": "\(name)", "reason": "\(error)"])
            }
        }
        if let former { change(name, .withdraw(former), nil) }
    }

    // MARK: Another database

    /// Sees whether a VSI may stay as it is by its port's database, and imposes what its type imposes now.
    ///
    /// While that is being put into force the database may become another. Then the VSI is reviewed again, after it.
    func review(_ key: Key) {
        guard let port = ports[key.port], let grant = port.held[key.vsiID], grant.edition != port.edition,
            reviews[key] == nil
        else { return }
        var request = grant.request
        request.filter = grant.filter
        // Not more than a type may have now: what has a place keeps it.
        let decision = port.database.decide(request, on: key.port, vsisOfType: { _ in .min })
        guard case .allowed(_, let type) = decision else {
            return revoke(key, "its VSI type no longer exists or no longer allows it")
        }
        guard type != grant.type else { return replace(key, grant, grant.of(type, grant.token, port.edition)) }
        do throws(AddressLedger.Obstacle) {
            try registry.setSharing(grant.addresses, type.profile.sharedAddresses)
        } catch {
            return revoke(key, "its VSI type no longer lets it share addresses: \(error)")
        }
        registry.note(
            key.vsiID, grant.request.command, grant.filter, on: key.port, shared: type.profile.sharedAddresses)
        let networks = type.networks(of: grant.filter)
        guard grant.token != nil,
            type.profile != grant.type.profile || networks != grant.type.networks(of: grant.filter)
        else {
            return replace(key, grant, grant.of(type, grant.token, port.edition))
        }
        let token = makeToken()
        let renewed = grant.of(type, token, port.edition)
        let frames = GrantedFrames(
            entries: Array(grant.filter.entries), profile: type.profile, networks: networks,
            overlayDevice: port.database.overlay?.device)
        reviews[key] = token
        change(key.port, .grant(token, frames), entries: frames.entries.count) { [weak self] error in
            self?.reviewed(key, former: grant, renewed, error)
        }
    }

    /// What a VSI's type imposes now is in force, or cannot be.
    private func reviewed(_ key: Key, former: Grant, _ renewed: Grant, _ error: EnforcementError?) {
        // Otherwise the port has left, and another may have its name.
        guard reviews[key] == renewed.token else { return }
        reviews[key] = nil
        guard let current = ports[key.port]?.held[key.vsiID], current.token == former.token else {
            if let token = renewed.token { change(key.port, .withdraw(token), nil) }
            return review(key)
        }
        if let error { return revoke(key, "the rules of its VSI type cannot be installed: \(error)") }
        replace(key, current, renewed)
        review(key)
    }

    private func revoke(_ key: Key, _ reason: String) {
        onRevoked?(key.vsiID, key.port, reason)
    }

    // MARK: The way to the worker

    /// Has claims on a port changed, after those that were to be changed before.
    ///
    /// - Parameters:
    ///   - name: the port.
    ///   - change: the change.
    ///   - entries: how many filter entries it is about, as far as that is known.
    ///   - completion: is called on the loop's thread, with why it was not put into force.
    package func change(
        _ name: String, _ change: ClaimChange, entries: Int = 1, _ completion: ((EnforcementError?) -> Void)?
    ) {
        guard let port = ports[name] else {
            completion?(EnforcementError(description: "the port is being removed"))
            return
        }
        // Any station may cause these, without end; what is inherited goes in any case when its time is over.
        if case .disinherit = change, port.waiting.count >= Self.disinheritancesMax { return }
        // What takes something back is always made: there is no more of it than was granted.
        if case .grant = change, port.waiting.count >= Self.waitingMax {
            completion?(EnforcementError(description: "too many requests wait for the kernel"))
            return
        }
        port.waiting.append(Waiting(change: change, entries: max(entries, 1), completion: completion))
        flush(name)
    }

    private func flush(_ name: String) {
        guard let port = ports[name] else { return }
        // Not counted for each change that joins those that wait.
        let most = port.isBusy ? 0 : Self.batchEntries(of: ports.values.count { $0.isActive })
        let next = port.changing.next { port.nextStep(most) }
        switch next {
        case (.attach, let turn)?: attachAgain(port, name, turn)
        case (.change(let batch), let turn)?: make(batch, port, name, turn)
        case nil: break
        }
    }

    private func make(_ batch: [Waiting], _ port: Port, _ name: String, _ turn: Reconciler<Step>.Turn) {
        let operation = BridgeOperation.change(name, batch.map(\.change))
        _ = programmer.perform(operation, of: name) { [weak self, weak port] answer in
            guard case .changed(let outcome)? = answer else { return }
            // The port has left, and another has its name.
            guard let self, let port, ports[name] === port else {
                for waiting in batch { waiting.completion?(EnforcementError(description: "the port is being removed")) }
                return
            }
            if outcome.ignoresVLANs { tellOfIgnoredVLANs(name) }
            if !outcome.takenOver.isEmpty { tellOfTakenAddresses(name, outcome.takenOver) }
            // Not before all are told: a port that asks for more than the loop gets told of waits itself.
            var all: [() -> Void] = []
            for waiting in batch { all.append { [weak self] in self?.tell(name, waiting, outcome) } }
            all.append { [weak self, weak port] in if let port { self?.changed(port, name, turn) } }
            port.told.append(contentsOf: all)
        }
    }

    /// The changes that were under way are made.
    private func changed(_ port: Port, _ name: String, _ turn: Reconciler<Step>.Turn) {
        if port.changing.ended(turn) != nil, ports[name] === port { flush(name) }
    }

    /// Tells what became of a change.
    private func tell(_ name: String, _ waiting: Waiting, _ outcome: BridgeEnforcer.Outcome) {
        switch waiting.change {
        case .grant(let token, _), .stations(let token, _): waiting.completion?(outcome.failures[token])
        case .withdrawSome(let token, _) where outcome.unfinished.contains(token):
            change(name, waiting.change, entries: waiting.entries, waiting.completion)
        case .withdraw, .withdrawSome, .disinherit: waiting.completion?(nil)
        }
    }

    /// The bridge had learned addresses elsewhere, as it does of a machine that comes from another switch.
    private func tellOfTakenAddresses(_ name: String, _ taken: [MACAddress: Int32]) {
        for (address, index) in taken.sorted(by: { $0.key.rawValue < $1.key.rawValue }).prefix(Self.takenMax) {
            let former = registry.linkName(index) ?? "interface \(index)"
            onNotice?("address \(address) was learned behind \(former) and is a VSI's behind \(name) now", name)
        }
        if taken.count > Self.takenMax {
            let count = taken.count - Self.takenMax
            onNotice?("\(count) more addresses that were learned elsewhere are behind \(name) now", name)
        }
    }

    private func tellOfIgnoredVLANs(_ name: String) {
        guard ports[name]?.isToldOfVLANs == false else { return }
        ports[name]?.isToldOfVLANs = true
        logger.alert(.enforcementFailed).warning(
            "the bridge does not filter VLANs: those of VSIs are not kept apart (ip link set BRIDGE type bridge vlan_filtering 1)",
            metadata: ["port": "\(name)"])
    }

    private func attachAgain(_ port: Port, _ name: String, _ turn: Reconciler<Step>.Turn) {
        _ = programmer.perform(BridgeOperation.attach(name), of: name) { [weak self, weak port] answer in
            guard let self, let port, let answer, ports[name] === port, port.changing.ended(turn) != nil else { return }
            if case .failed(let error) = answer {
                for waiting in port.waiting.removeAll() { waiting.completion?(error) }
            } else {
                attached(port, name, answer)
            }
        }
    }

    private func replace(_ key: Key, _ former: Grant, _ grant: Grant) {
        ports[key.port]?.held[key.vsiID] = grant
        recount(former, grant, key.vsiID)
        if let token = former.token, token != grant.token {
            change(key.port, .withdraw(token), entries: former.filter.entries.count, nil)
        }
    }
}
