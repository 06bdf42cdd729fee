// What a probe comes to, in one line.

extension ProbeReport {
    /// How far machines with the type that was asked for can be associated.
    public enum Verdict: String, Codable, Sendable, CaseIterable {
        /// All that was asked for by that type was granted.
        case granted
        /// Some of it was.
        case partly
        /// Nothing was granted, and something was refused.
        case refused
        /// Nothing was granted, and nothing was answered.
        case unanswered
    }

    /// What was asked for, in words of people.
    private var asked: String { "type \(typeID ?? 0) version \(typeVersion ?? 0)" }

    private var manager: String { managerID.map { "manager \($0)" } ?? "its own manager" }

    /// Steps that ask for the type that was given.
    private var stepsOfType: [Step] {
        steps.filter { [.preAssociate, .associate, .batch].contains($0.phase) }
    }

    /// Draws the conclusion from the steps.
    mutating func conclude() {
        let granted = stepsOfType.reduce(0) { $0 + $1.granted }
        let refusal = stepsOfType.first { $0.outcome == "refused" }
        let failed = stepsOfType.first { $0.granted < $0.asked }
        if granted > 0 {
            verdict = failed == nil && isComplete ? .granted : .partly
            conclusion = conclusionOfGrants(failed)
        } else if let refusal {
            verdict = .refused
            conclusion = conclusion(of: refusal)
        } else {
            verdict = .unanswered
            conclusion = conclusionOfSilence(failed)
        }
        if let words = conclusionOfKeepAlive { conclusion = (conclusion.map { $0 + ". " } ?? "") + words }
    }

    private func conclusionOfGrants(_ failed: Step?) -> String {
        var words = "the switch knows \(manager) and grants \(asked)"
        if let failed {
            let reason = failed.reason.map { " (\($0.words(code: failed.reasonCode)))" } ?? ""
            words +=
                "; of \"\(failed.name)\" it granted \(failed.granted) of \(failed.asked), then: \(failed.outcome)\(reason)"
            if let reason = failed.reason { words += ": \(reason.remedy)" }
        }
        if steps.contains(where: { $0.phase == .unknownType && $0.granted > 0 }) {
            words += "; it grants a type that does not exist too, so it looks at no types"
        }
        return words
    }

    private func conclusion(of refusal: Step) -> String {
        let reason = refusal.reason ?? .otherFailure
        let words = reason.words(code: refusal.reasonCode)
        switch reason {
        case .managerUnreachable:
            return "the switch does not know \(manager), or cannot reach it (\(words)): ask its administrator for the "
                + "manager ID, and give it by --manager"
        case .otherFailure:
            return
                "the switch knows \(manager); it refuses \(asked) (\(words)): ask its administrator for the VSI types "
                + "that it has"
        case .invalidVIDGroupMAC:
            return
                "the switch knows \(manager); it refuses the VLAN or the MAC addresses of the test VSIs with \(asked) "
                + "(\(words)): ask its administrator for the VLANs of the type, and give one by --vlan"
        default: return "the switch refuses \(asked) of \(manager) (\(words)): \(reason.remedy)"
        }
    }

    private func conclusionOfSilence(_ failed: Step?) -> String {
        switch failed?.outcome {
        case "unacknowledged":
            "the switch acknowledges no ECP: see that VDP is enabled on this port, and that no device between drops ECP "
                + "(EtherType 0x8940)"
        case "unanswered":
            "the switch acknowledges ECP and answers no VDP request: see its log of VDP, and whether it reaches its VSI manager"
        case "mismatched":
            "the switch answers with another manager, type or filter than was asked for: ask its administrator for the right ones"
        case let outcome?: "the switch granted nothing (\(outcome)): see evbctl port show \(port)"
        case nil: "the probe ended before the switch had answered"
        }
    }

    private var conclusionOfKeepAlive: String? {
        guard let trial = keepAliveTrial else { return nil }
        func seconds(_ milliseconds: Int) -> String { "\(milliseconds / 1000).\(milliseconds / 100 % 10) s" }
        let expected = seconds(trial.expectedMilliseconds)
        if let dropped = trial.droppedMilliseconds {
            return "A VSI that is not kept alive is dropped after \(seconds(dropped)) (by RKA: \(expected))"
        }
        return "A VSI that was not kept alive was not taken back within \(seconds(trial.waitedMilliseconds)) (by RKA: "
            + "\(expected)): the switch keeps silent VSIs longer, or drops them without a word"
    }
}
