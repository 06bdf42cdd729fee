@testable import EVBProtocol
@testable import EVBWire

/// Every event that a machine can be given, and every state that it can come to by them. Tables and diagrams are made of
/// this, so that what is new shows in both.
struct Enumeration<Machine: Hashable, Event, Action: Equatable> {
    let name: String
    let start: Machine
    let events: [(name: String, kind: String, event: Event)]
    let handle: (inout Machine, Event) -> Action
    let nothing: Action
    /// The state's name in the standard, and what else tells two of one name apart.
    let state: (Machine) -> (name: String, detail: String)
    let text: (Action) -> String

    /// Every state that can be reached, by name.
    var reachable: [Machine] {
        var found = [start]
        var seen = Set(found)
        var next = 0
        while next < found.count {
            for event in events {
                var machine = found[next]
                _ = handle(&machine, event.event)
                if seen.insert(machine).inserted { found.append(machine) }
            }
            next += 1
        }
        return found.sorted { full($0) < full($1) }
    }

    private func full(_ machine: Machine) -> String { state(machine).name + state(machine).detail }

    /// The whole table, to be reviewed.
    var table: String {
        var text = "# \(name): every reachable state [operCmd] x event -> state [operCmd]: action.\n"
        text += "# What is not listed for a state changes nothing there. EVBD_UPDATE_SNAPSHOTS=1 rewrites this file.\n"
        for machine in reachable {
            text += "\n\(full(machine))\n"
            var ignored = 0
            for event in events {
                var after = machine
                let action = handle(&after, event.event)
                if after == machine, action == nothing {
                    ignored += 1
                } else {
                    text += "  \(event.name) -> \(full(after)): \(self.text(action))\n"
                }
            }
            text += "  nothing on \(ignored) of \(events.count) events\n"
        }
        return text
    }

    /// The table as a picture: the standard's states, and for each way between two the kinds of events that lead there.
    var diagram: String {
        var edges: [String: Set<String>] = [:]
        for machine in reachable {
            for event in events {
                var after = machine
                let action = handle(&after, event.event)
                if after == machine, action == nothing { continue }
                edges["\(state(machine).name) --> \(state(after).name)", default: []].insert(event.kind)
            }
        }
        var text = "<!-- Made from the code: `EVBD_UPDATE_SNAPSHOTS=1 swift test --filter MachineTables`. -->\n"
        text += "# \(name)\n\nThe complete table is in `Tests/EVBProtocolTests/Snapshots/\(name).txt`.\n\n"
        text += "```mermaid\nstateDiagram-v2\n    [*] --> \(state(start).name)\n"
        for edge in edges.keys.sorted() {
            text += "    \(edge): \((edges[edge] ?? []).sorted().joined(separator: ", "))\n"
        }
        return text + "```\n"
    }
}

private let refusals: [(name: String, refusal: Refusal)] = [
    ("soft", Refusal(reason: .otherFailure, isHard: false, isKept: false)),
    ("hard", Refusal(reason: .otherFailure, isHard: true, isKept: false)),
    ("soft+keep", Refusal(reason: .otherFailure, isHard: false, isKept: true)),
    ("hard+keep", Refusal(reason: .otherFailure, isHard: true, isKept: true)),
]

private func flags(_ refusal: Refusal) -> String {
    "\(refusal.reason.rawValue) " + (refusal.isHard ? "hard" : "soft") + (refusal.isKept ? "+keep" : "")
}

// MARK: The station's machine

extension Enumeration
where
    Machine == VDPStationMachine, Event == VDPStationMachine.Event, Action == VDPStationMachine.Action
{
    static var station: StationEnumeration {
        StationEnumeration(
            name: "VDPStationMachine", start: VDPStationMachine(), events: stationEvents,
            handle: { $0.handle($1) }, nothing: .none,
            state: { (stationState($0.state), $0.operCommand.map { " [\($0)]" } ?? " [-]") },
            text: { "\($0)" })
    }

    private static var stationEvents: [(name: String, kind: String, event: VDPStationMachine.Event)] {
        var events: [VDPStationMachine.Event] = []
        for command in VDPCommand.allCases {
            events += [.command(command), .granted(command), .mismatched(command)]
            events += refusals.map { .refused(command, $0.refusal) }
        }
        events += [.bridgeDeassociate, .keepAliveDue, .responseTimeout, .peerLost]
        return events.map { (name($0), kind($0), $0) }
    }

    private static func name(_ event: VDPStationMachine.Event) -> String {
        switch event {
        case .command(let command), .granted(let command), .mismatched(let command): "\(kind(event)) \(command)"
        case .refused(let command, let refusal): "\(kind(event)) \(command) \(flags(refusal))"
        case .bridgeDeassociate, .keepAliveDue, .responseTimeout, .peerLost: kind(event)
        }
    }

    /// One who adds an event has to add it here, and then in `stationEvents`.
    private static func kind(_ event: VDPStationMachine.Event) -> String {
        switch event {
        case .command: "command"
        case .granted: "granted"
        case .refused: "refused"
        case .mismatched: "mismatched"
        case .bridgeDeassociate: "bridgeDeassociate"
        case .keepAliveDue: "keepAliveDue"
        case .responseTimeout: "responseTimeout"
        case .peerLost: "peerLost"
        }
    }

    private static func stationState(_ state: VDPStationMachine.State) -> String {
        switch state {
        case .initial: "INIT"
        case .processing(.deAssociate): "STATION_PROCESSING_DEASSOC"
        case .processing: "STATION_PROCESSING"
        case .waitSystemCommand: "WAIT_SYSTEM_CMD"
        case .transmitKeepAlive: "TRANSMIT_KEEPALIVE"
        case .transmitDeassociate: "TRANSMIT_DEASSOC"
        }
    }
}

// MARK: The bridge's machine

typealias BridgeEnumeration = Enumeration<VDPBridgeMachine, VDPBridgeMachine.Event, VDPBridgeMachine.Action>
typealias StationEnumeration = Enumeration<VDPStationMachine, VDPStationMachine.Event, VDPStationMachine.Action>

extension Enumeration
where
    Machine == VDPBridgeMachine, Event == VDPBridgeMachine.Event, Action == VDPBridgeMachine.Action
{
    static var bridge: BridgeEnumeration { bridge(named: "VDPBridgeMachine", VDPBridgeMachine()) }

    /// The machine for a dialect without Keep, the draft.
    static var bridgeWithoutKeep: BridgeEnumeration {
        bridge(named: "VDPBridgeMachineWithoutKeep", VDPBridgeMachine(canKeep: false))
    }

    private static func bridge(named name: String, _ start: VDPBridgeMachine) -> BridgeEnumeration {
        BridgeEnumeration(
            name: name, start: start, events: bridgeEvents, handle: { $0.handle($1) }, nothing: .none,
            state: { machine in
                let oper = machine.operCommand.map { " [\($0)]" } ?? " [-]"
                if case .processing(let command) = machine.state {
                    return (bridgeState(machine.state), "(\(command))\(oper)")
                }
                return (bridgeState(machine.state), oper)
            },
            text: bridgeAction)
    }

    private static var bridgeEvents: [(name: String, kind: String, event: VDPBridgeMachine.Event)] {
        var events: [VDPBridgeMachine.Event] = []
        for command in VDPCommand.allCases {
            events += [.command(command), .repeated(command)]
            events += [true, false].map { .invalid(command, .invalidFilter, isHard: $0) }
        }
        events.append(.granted)
        events += refusals.map { .refused($0.refusal) }
        events += [.resourceWaitOver, .keepAliveTimeout, .retracted, .moved, .stationLost]
        return events.map { (name($0), kind($0), $0) }
    }

    private static func name(_ event: VDPBridgeMachine.Event) -> String {
        switch event {
        case .command(let command), .repeated(let command): "\(kind(event)) \(command)"
        case .invalid(let command, _, let isHard): "\(kind(event)) \(command) \(isHard ? "hard" : "soft")"
        case .refused(let refusal): "\(kind(event)) \(flags(refusal))"
        case .granted, .resourceWaitOver, .keepAliveTimeout, .retracted, .moved, .stationLost: kind(event)
        }
    }

    /// One who adds an event has to add it here, and then in `bridgeEvents`.
    private static func kind(_ event: VDPBridgeMachine.Event) -> String {
        switch event {
        case .command: "command"
        case .repeated: "repeated"
        case .invalid: "invalid"
        case .granted: "granted"
        case .refused: "refused"
        case .resourceWaitOver: "resourceWaitOver"
        case .keepAliveTimeout: "keepAliveTimeout"
        case .retracted: "retracted"
        case .moved: "moved"
        case .stationLost: "stationLost"
        }
    }

    private static func bridgeState(_ state: VDPBridgeMachine.State) -> String {
        switch state {
        case .initial: "INIT"
        case .processing: "BRIDGE_PROCESSING"
        case .waitStationCommand: "WAIT_STATION_CMD"
        }
    }

    private static func bridgeAction(_ action: VDPBridgeMachine.Action) -> String {
        var parts: [String] = []
        switch action.answer {
        case .success(let command): parts.append("answer success \(command)")
        case .refused(let command, let refusal): parts.append("answer refused \(command) \(flags(refusal))")
        case .deAssociate: parts.append("send deAssociate")
        case nil: break
        }
        if action.cancel { parts.append("cancel decision") }
        if let command = action.decide { parts.append("decide \(command), start resourceWaitDelay") }
        if action.startKeepAlive { parts.append("start toutKeepAlive") }
        if let command = action.bind { parts.append("bind \(command)") }
        switch action.release {
        case .refused: parts.append("release: refused")
        case let release?: parts.append("release: \(release)")
        case nil: break
        }
        return parts.isEmpty ? "nothing" : parts.joined(separator: ", ")
    }
}
