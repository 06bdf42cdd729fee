internal import EVBModel
internal import EVBSettings

/// What a new configuration makes of the ports. Pure; `PortCollection` carries it out.
struct ReloadPlan: Equatable {
    enum Step: Equatable {
        /// The configuration has no such port any more.
        case remove(String)
        /// The port is of another kind: the one that is there leaves before its successor starts.
        case replace(PortSettings)
        /// The port that is there leaves already. These are the settings of its successor.
        case succeed(PortSettings)
        /// The port that is there leaves already, and has no successor any more.
        case abandon(String)
        case add(PortSettings)
        case change(PortSettings)
        case keep(PortSettings)

        var interface: String {
            switch self {
            case .remove(let name), .abandon(let name): name
            case .replace(let settings), .succeed(let settings), .add(let settings), .change(let settings),
                .keep(let settings):
                settings.interface
            }
        }

        /// Whether something is to be done.
        var isWork: Bool { if case .keep = self { false } else { true } }
    }

    /// How the slot of an interface stands.
    enum Slot: Equatable {
        case running(PortSettings)
        case leaving(then: PortSettings?)
    }

    /// Removals and replacements come first, so that what they give back is free for the others.
    let steps: [Step]

    /// Compares.
    ///
    /// - Parameters:
    ///   - slots: what there is, by interface.
    ///   - ports: what the configuration has, each interface at most once.
    ///   - changesAll: whether something beside the ports' own settings has changed for all of them.
    init(from slots: [String: Slot], to ports: [PortSettings], changesAll: Bool) {
        let wanted = Set(ports.map(\.interface))
        var first: [Step] = []
        for (name, slot) in slots.sorted(by: { $0.key < $1.key }) where !wanted.contains(name) {
            switch slot {
            case .running: first.append(.remove(name))
            case .leaving(nil): break
            case .leaving(.some): first.append(.abandon(name))
            }
        }
        var rest: [Step] = []
        for settings in ports {
            switch slots[settings.interface] {
            case nil, .leaving(nil): rest.append(.add(settings))
            case .leaving(.some): rest.append(.succeed(settings))
            case .running(let former) where !former.isSameKind(as: settings): first.append(.replace(settings))
            case .running(let former) where former != settings || changesAll: rest.append(.change(settings))
            case .running: rest.append(.keep(settings))
            }
        }
        steps = first + rest
    }

    /// What becomes of each port, by its name.
    ///
    /// - Parameter vsiCount: how many VSIs a port holds.
    /// - Returns: an entry for each port that there is or that is wanted.
    func report(vsiCount: (String) -> Int) -> [PortReload] {
        steps.map { step in
            switch step {
            case .remove(let name), .abandon(let name):
                PortReload(interface: name, change: .removed, endedVSIs: vsiCount(name))
            case .replace(let settings):
                PortReload(interface: settings.interface, change: .replaced, endedVSIs: vsiCount(settings.interface))
            case .add(let settings), .succeed(let settings):
                PortReload(interface: settings.interface, change: .added, endedVSIs: 0)
            case .change(let settings): PortReload(interface: settings.interface, change: .changed, endedVSIs: 0)
            case .keep(let settings): PortReload(interface: settings.interface, change: .kept, endedVSIs: 0)
            }
        }.sorted { $0.interface < $1.interface }
    }
}

extension PortSettings {
    /// Whether a port with these settings can go on with the others. The role, and who decides on VSIs, are a port's for life.
    func isSameKind(as other: PortSettings) -> Bool {
        role == other.role && (vsiTypes == nil) == (other.vsiTypes == nil)
    }
}
