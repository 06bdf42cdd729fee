import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Every state with every event, compared with what was reviewed (802.1Q 41.5 and clause 43).
@Suite struct StateTableTests {
    typealias Machine = VDPStationMachine

    private static let refusals: [(String, Refusal)] = [
        ("soft", Refusal(reason: .otherFailure, isHard: false, isKept: false)),
        ("hard", Refusal(reason: .otherFailure, isHard: true, isKept: false)),
        ("soft+keep", Refusal(reason: .otherFailure, isHard: false, isKept: true)),
        ("hard+keep", Refusal(reason: .otherFailure, isHard: true, isKept: true)),
    ]

    private static var events: [(name: String, event: Machine.Event)] {
        var events: [(String, Machine.Event)] = []
        for command in VDPCommand.allCases {
            events.append(("command \(command)", .command(command)))
            events.append(("granted \(command)", .granted(command)))
            events += refusals.map { ("refused \(command) \($0.0)", .refused(command, $0.1)) }
            events.append(("mismatched \(command)", .mismatched(command)))
        }
        events += [
            ("bridgeDeassociate", .bridgeDeassociate), ("keepAliveDue", .keepAliveDue),
            ("responseTimeout", .responseTimeout), ("peerLost", .peerLost),
        ]
        return events
    }

    private static func text(_ machine: Machine) -> String {
        let oper = machine.operCommand.map { "\($0)" } ?? "-"
        switch machine.state {
        case .initial: return "INIT [\(oper)]"
        case .processing(let command): return "STATION_PROCESSING(\(command)) [\(oper)]"
        case .waitSystemCommand: return "WAIT_SYSTEM_CMD [\(oper)]"
        case .transmitKeepAlive: return "TRANSMIT_KEEPALIVE [\(oper)]"
        case .transmitDeassociate: return "TRANSMIT_DEASSOC [\(oper)]"
        }
    }

    private static func text(_ action: Machine.Action) -> String {
        var parts: [String] = []
        if let command = action.send { parts.append("send \(command)") }
        if action.startKeepAlive { parts.append("start keep-alive") }
        switch action.outcome {
        case .bound(let command): parts.append("tell bound \(command)")
        case .refused(let refusal):
            let flags = [refusal.isHard ? "hard" : "soft", refusal.isKept ? "keep" : nil].compactMap { $0 }
            parts.append("tell refused \(flags.joined(separator: "+"))")
        case .mismatched: parts.append("tell mismatched")
        case .bridgeDeassociated: parts.append("tell bridgeDeassociated")
        case .timedOut: parts.append("tell timedOut")
        case .peerLost: parts.append("tell peerLost")
        case .released: parts.append("tell released")
        case nil: break
        }
        return parts.isEmpty ? "nothing" : parts.joined(separator: ", ")
    }

    /// Every (state, operCommand) that can be reached, in the order of its finding.
    private static func reachable() -> [Machine] {
        var found = [Machine()]
        var seen = Set(found)
        var next = 0
        while next < found.count {
            for (_, event) in events {
                var machine = found[next]
                _ = machine.handle(event)
                if seen.insert(machine).inserted { found.append(machine) }
            }
            next += 1
        }
        return found
    }

    @Test("VDP 5.8 the station machine's table")
    func stationMachine() {
        var text = "# VDPStationMachine: every reachable state [operCmd] x event -> state [operCmd]: action.\n"
        text += "# What is not listed for a state changes nothing there. EVBD_UPDATE_SNAPSHOTS=1 rewrites this file.\n"
        let machines = Self.reachable().sorted { Self.text($0) < Self.text($1) }
        for machine in machines {
            text += "\n\(Self.text(machine))\n"
            var ignored: [String] = []
            for (name, event) in Self.events {
                var after = machine
                let action = after.handle(event)
                if after == machine, action == .none {
                    ignored.append(name)
                } else {
                    text += "  \(name) -> \(Self.text(after)): \(Self.text(action))\n"
                }
            }
            text += "  nothing on \(ignored.count) of \(Self.events.count) events\n"
        }
        Snapshot.expect(text, matches: "VDPStationMachine.txt")
    }

    @Test("VDP 5.8 what holds in every state of the station machine")
    func stationMachineInvariants() {
        for machine in Self.reachable() {
            if machine.state == .initial { #expect(machine.operCommand == nil) }
            if machine.state == .waitSystemCommand { #expect(machine.operCommand != nil) }
            #expect(machine.operCommand != .deAssociate)
            for (name, event) in Self.events {
                var after = machine
                let action = after.handle(event)
                // A command that is sent leads into a state that waits for its answer, and only such.
                let waits = ![.initial, .waitSystemCommand].contains(after.state)
                if action.send != nil { #expect(waits, "\(Self.text(machine)) \(name)") }
                if action.send == nil, waits { #expect(after == machine, "\(Self.text(machine)) \(name)") }
                #expect(action.startKeepAlive == (after.state == .waitSystemCommand && after != machine))
                // Nothing but a grant or a Keep makes or keeps a VSI bound more than it was.
                if machine.operCommand == nil, after.operCommand != nil {
                    guard case .granted = event else {
                        Issue.record("\(Self.text(machine)) \(name) binds")
                        continue
                    }
                }
            }
        }
    }

    // MARK: ECP

    private static let timers = OperationalTimers(retries: 1, rte: 14)

    private static func transmitter(_ state: String) -> ECPTransmitter {
        var machine = ECPTransmitter(firstSequence: 10)
        guard state != "WAIT_FOR_REQ" else { return machine }
        _ = machine.send([1, 2], subtype: .vdp, timers: timers.times, at: .origin)
        if state == "TRANSMIT_ECPDU 2" { _ = machine.advance(to: .origin + timers.ackTimer, timers: timers.times) }
        return machine
    }

    private static func text(_ machine: ECPTransmitter) -> String {
        let deadline = machine.nextDeadline.map { " until \($0.text)" } ?? ""
        return "\(machine.isIdle ? "WAIT_FOR_REQ" : "TRANSMIT_ECPDU") next \(machine.sequence)\(deadline)"
    }

    @Test("ECP 4.2 4.3 the tables of ECP's two machines")
    func ecpMachines() {
        var text = "# ECPTransmitter with R = 1 and RTE = 14, and what it has sent: state: event -> state: action.\n"
        let ack = { ECPDU(operation: .acknowledgement, subtype: $0, sequence: $1) }
        for state in ["WAIT_FOR_REQ", "TRANSMIT_ECPDU 1", "TRANSMIT_ECPDU 2"] {
            text += "\n\(state)\n"
            let acks: [(String, ECPDU)] = [
                ("ack 10", ack(.vdp, 10)), ("ack 9", ack(.vdp, 9)), ("ack 11", ack(.vdp, 11)),
                ("ack 10 of PE-CSP", ack(.portExtender, 10)),
            ]
            for (name, ecpdu) in acks {
                var machine = Self.transmitter(state)
                let isTaken = machine.acknowledge(ecpdu) != nil
                text += "  \(name) -> \(Self.text(machine)): \(isTaken ? "taken" : "stray")\n"
            }
            for milliseconds in [0, 163, 164, 327, 328, 1000] as [UInt64] {
                var machine = Self.transmitter(state)
                let action = machine.advance(to: .milliseconds(milliseconds), timers: Self.timers.times)
                let name =
                    switch action {
                    case .none: "nothing"
                    case .retransmit(let ecpdu): "retransmit \(ecpdu.sequence)"
                    case .failed: "TX_ERROR"
                    }
                text += "  at \(milliseconds) ms -> \(Self.text(machine)): \(name)\n"
            }
            var machine = Self.transmitter(state)
            machine.reset()
            text += "  reset -> \(Self.text(machine))\n"
        }
        text += Self.receiverTable()
        Snapshot.expect(text, matches: "ECPMachines.txt")
    }

    private static func receiverTable() -> String {
        var text =
            "\n# ECPReceiver after request 5 at 0 s, with the same timers: request -> whether it is delivered.\n\n"
        for (name, sequence, payload, milliseconds, resets) in [
            ("the same", 5, [1], 10, false), ("the same, 655 ms later", 5, [1], 655, false),
            ("the same, 656 ms later", 5, [1], 656, false), ("the same number, other octets", 5, [2], 10, false),
            ("the next", 6, [1], 10, false), ("the one before", 4, [1], 10, false), ("0", 0, [1], 10, false),
            ("the same after a reset", 5, [1], 10, true),
        ] as [(String, UInt16, [UInt8], UInt64, Bool)] {
            var machine = ECPReceiver()
            let first = ECPDU(operation: .request, sequence: 5, payload: [1])
            let isFirstNew = machine.isNew(first, timers: timers.times, at: .origin)
            if resets { machine.reset() }
            let request = ECPDU(operation: .request, sequence: sequence, payload: payload)
            let isNew = machine.isNew(request, timers: timers.times, at: .milliseconds(milliseconds))
            text +=
                "\(name) -> \(isNew ? "delivered" : "acknowledged only")\(isFirstNew ? "" : ", the first was not")\n"
        }
        return text
    }
}
