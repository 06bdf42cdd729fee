import EVBModel
import Testing

@Suite struct ProbeConclusionTests {
    private func step(
        _ phase: ProbeReport.Phase, _ asked: Int = 1, granted: Int = 0, _ outcome: String = "granted",
        _ reason: VSIReason? = nil, code: Int? = nil
    ) -> ProbeReport.Step {
        var step = ProbeReport.Step(phase, name: "step", asked: asked)
        (step.granted, step.outcome, step.reason, step.reasonCode) = (granted, outcome, reason, code)
        return step
    }

    private func report(
        _ steps: [ProbeReport.Step], manager: String? = "12", trial: ProbeReport.KeepAliveTrial? = nil,
        isComplete: Bool = true
    ) -> ProbeReport {
        ProbeReport(
            port: "eth0", neighbour: nil, dialect: .ratified, evbTLV: EVBTLVPair(local: nil, remote: nil), steps: steps,
            isComplete: isComplete, managerID: manager, typeID: 101, typeVersion: 3, keepAliveTrial: trial)
    }

    @Test("OPS-256 what a probe comes to is said in one line, with what to ask the switch's administrator for")
    func conclusions() {
        let good = [step(.preAssociate, granted: 1), step(.associate, granted: 1), step(.batch, 6, granted: 6)]
        let table: [(ProbeReport, ProbeReport.Verdict, [String])] = [
            (report(good), .granted, ["the switch knows manager 12 and grants type 101 version 3"]),
            (report(good, manager: nil), .granted, ["the switch knows its own manager"]),
            (report(good, isComplete: false), .partly, ["grants type 101"]),
            (
                report(good + [step(.unknownType, granted: 1)]), .granted,
                ["grants a type that does not exist too, so it looks at no types"]
            ),
            (
                report(good.dropLast() + [step(.batch, 6, granted: 4, "refused", .insufficientResources, code: 2)]),
                .partly, ["it granted 4 of 6, then: refused (reason 2, insufficient-resources", "raise the limit"]
            ),
            (
                report([step(.preAssociate, 1, "refused", .otherFailure, code: 4)]), .refused,
                [
                    "knows manager 12; it refuses type 101 version 3 (reason 4",
                    "ask its administrator for the VSI types",
                ]
            ),
            (
                report([step(.preAssociate, 1, "refused", .managerUnreachable, code: 3)]), .refused,
                ["does not know manager 12, or cannot reach it", "--manager"]
            ),
            (
                report([step(.preAssociate, 1, "refused", .invalidVIDGroupMAC, code: 5)]), .refused,
                ["refuses the VLAN or the MAC addresses", "--vlan"]
            ),
            (report([step(.preAssociate, 1, "unacknowledged")]), .unanswered, ["acknowledges no ECP"]),
            (report([step(.preAssociate, 1, "unanswered")]), .unanswered, ["acknowledges ECP and answers no VDP"]),
            (report([step(.preAssociate, 1, "mismatched")]), .unanswered, ["another manager, type or filter"]),
            (report([], isComplete: false), .unanswered, ["ended before the switch had answered"]),
        ]
        for (report, verdict, words) in table {
            #expect(report.verdict == verdict)
            for words in words { #expect(report.conclusion?.contains(words) == true, "\(report.conclusion ?? "")") }
        }
    }

    @Test("OPS-256 whether a VSI that was not kept alive was taken back ends the line")
    func keepAlive() {
        let steps = [step(.preAssociate, granted: 1)]
        func trial(_ dropped: Int?) -> String {
            let trial = ProbeReport.KeepAliveTrial(
                expectedMilliseconds: 31_500, waitedMilliseconds: 40_300, droppedMilliseconds: dropped)
            return report(steps, trial: trial).conclusion ?? ""
        }
        #expect(trial(31_840).hasSuffix("is dropped after 31.8 s (by RKA: 31.5 s)"))
        #expect(trial(nil).contains("was not taken back within 40.3 s (by RKA: 31.5 s)"))
    }
}
