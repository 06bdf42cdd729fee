import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Both machines against ``TableModel``, by the same random events.
@Suite struct TableModelTests {
    private static let sequences = 4000
    private static let length = 60

    private static func refusal(_ random: inout SplitMix64) -> Refusal {
        let reason = VDPReason(rawValue: UInt8(1 + random.below(5)))
        return Refusal(reason: reason, isHard: random.chance(50), isKept: random.chance(50))
    }

    private static func words(_ refusal: Refusal) -> String {
        "\(refusal.reason.rawValue) \(refusal.isHard ? "hard" : "soft")"
    }

    private static func words(_ refusal: Refusal, isKept: Bool) -> String {
        words(refusal) + (isKept ? " kept" : "")
    }

    // MARK: The station

    private static func stationEvent(
        _ random: inout SplitMix64
    ) -> (event: VDPStationMachine.Event, input: TableModel.Input) {
        let command = VDPCommand.allCases[random.below(4)]
        let refusal = refusal(&random)
        switch random.below(10) {
        case 0, 1, 2: return (.command(command), .init(event: "command", command: "\(command)"))
        case 3, 4: return (.granted(command), .init(event: "granted", command: "\(command)"))
        case 5:
            return (
                .refused(command, refusal),
                .init(event: "refused", command: "\(command)", isKeep: refusal.isKept, refusal: words(refusal))
            )
        case 6: return (.mismatched(command), .init(event: "mismatched", command: "\(command)"))
        case 7: return (.keepAliveDue, .init(event: "keep-alive due"))
        case 8: return (.responseTimeout, .init(event: "waitWhile = 0"))
        default:
            return random.chance(50)
                ? (.bridgeDeassociate, .init(event: "bridge DeAssoc")) : (.peerLost, .init(event: "peer lost"))
        }
    }

    private static func stationState(_ machine: VDPStationMachine) -> String {
        switch machine.state {
        case .initial: "INIT"
        case .processing(let command): "STATION_PROCESSING \(command)"
        case .waitSystemCommand: "WAIT_SYSTEM_CMD"
        case .transmitKeepAlive: "TRANSMIT_KEEPALIVE"
        case .transmitDeassociate: "TRANSMIT_DEASSOC"
        }
    }

    private static func outputs(_ action: VDPStationMachine.Action) -> [String] {
        var outputs: [String] = []
        if let command = action.send { outputs.append("send \(command)") }
        if action.startKeepAlive { outputs.append("start reinitKeepAlive") }
        switch action.outcome {
        case .bound(let command): outputs.append("report bound \(command)")
        case .refused(let refusal): outputs.append("report refused \(words(refusal, isKept: refusal.isKept))")
        case .mismatched: outputs.append("report mismatched")
        case .bridgeDeassociated: outputs.append("report bridge DeAssoc")
        case .timedOut: outputs.append("report timeout")
        case .peerLost: outputs.append("report peer lost")
        case .released: outputs.append("report released")
        case nil: break
        }
        return outputs
    }

    @Test("VDP 5.8 the station machine does what the table says")
    func station() {
        var random = SplitMix64(seed: Environment.seed("station machine against its table", otherwise: 0x58))
        for sequence in 0..<Self.sequences {
            var machine = VDPStationMachine()
            var model = TableModel(TableModel.station)
            for step in 0..<Self.length {
                let (event, input) = Self.stationEvent(&random)
                let before = "\(Self.stationState(machine)) [\(model.operCmd)]"
                let action = machine.handle(event)
                model.take(input)
                let state = model.state == "STATION_PROCESSING" ? "STATION_PROCESSING \(model.sysCmd)" : model.state
                let isAlike =
                    Self.stationState(machine) == state && (machine.operCommand.map { "\($0)" } ?? "") == model.operCmd
                    && Self.outputs(action) == model.outputs
                guard isAlike else {
                    Issue.record(
                        """
                        sequence \(sequence), step \(step): \(before) on \(event)
                        machine \(Self.stationState(machine)) \(Self.outputs(action))
                        table   \(state) \(model.outputs)
                        """)
                    return
                }
            }
        }
    }

    // MARK: The bridge

    private static func bridgeEvent(
        _ random: inout SplitMix64
    ) -> (event: VDPBridgeMachine.Event, input: TableModel.Input) {
        let command = VDPCommand.allCases[random.below(4)]
        let refusal = refusal(&random)
        switch random.below(12) {
        case 0, 1, 2: return (.command(command), .init(event: "request", command: "\(command)"))
        case 3, 4: return (.repeated(command), .init(event: "repeated request", command: "\(command)"))
        case 5, 6: return (.granted, .init(event: "work ok"))
        case 7:
            return (.refused(refusal), .init(event: "work fails", isKeep: refusal.isKept, refusal: words(refusal)))
        case 8:
            return (
                .invalid(command, refusal.reason, isHard: refusal.isHard),
                .init(event: "invalid request", command: "\(command)", refusal: words(refusal))
            )
        case 9: return (.resourceWaitOver, .init(event: "waitWhile = 0"))
        case 10: return (.keepAliveTimeout, .init(event: "keep-alive over"))
        default:
            return random.chance(50)
                ? (.retracted, .init(event: "admin removal")) : (.stationLost, .init(event: "station lost"))
        }
    }

    private static func bridgeState(_ machine: VDPBridgeMachine) -> String {
        switch machine.state {
        case .initial: "INIT"
        case .processing(let command): "BRIDGE_PROCESSING \(command)"
        case .waitStationCommand: "WAIT_STATION_CMD"
        }
    }

    private static func outputs(_ action: VDPBridgeMachine.Action) -> Set<String> {
        var outputs: Set<String> = []
        switch action.answer {
        case .success(let command): outputs.insert("answer \(command)")
        case .refused(let command, let refusal):
            outputs.insert("error \(command) \(words(refusal, isKept: refusal.isKept))")
        case .deAssociate: outputs.insert("send DeAssoc")
        case nil: break
        }
        if let command = action.decide { outputs.insert("work on \(command)") }
        if action.cancel { outputs.insert("stop work") }
        if action.startKeepAlive { outputs.insert("start toutKeepAlive") }
        if let command = action.bind { outputs.insert("bind \(command)") }
        if action.release != nil { outputs.insert("release") }
        return outputs
    }

    @Test("VDP 5.9 the bridge machine does what the table says", arguments: [true, false])
    func bridge(canKeep: Bool) {
        var random = SplitMix64(seed: Environment.seed("bridge machine against its table", otherwise: 0x59))
        for sequence in 0..<Self.sequences {
            var machine = VDPBridgeMachine(canKeep: canKeep)
            var model = TableModel(canKeep ? TableModel.bridge : TableModel.bridgeWithoutKeep)
            for step in 0..<Self.length {
                let (event, input) = Self.bridgeEvent(&random)
                let before = "\(Self.bridgeState(machine)) [\(model.operCmd)]"
                let action = machine.handle(event)
                model.take(input)
                let state = model.state == "BRIDGE_PROCESSING" ? "BRIDGE_PROCESSING \(model.sysCmd)" : model.state
                let isAlike =
                    Self.bridgeState(machine) == state && (machine.operCommand.map { "\($0)" } ?? "") == model.operCmd
                    && Self.outputs(action) == Set(model.outputs)
                guard isAlike else {
                    Issue.record(
                        """
                        sequence \(sequence), step \(step): \(before) on \(event)
                        machine \(Self.bridgeState(machine)) \(Self.outputs(action))
                        table   \(state) \(model.outputs)
                        """)
                    return
                }
            }
        }
    }
}
