internal import ArgumentParser
internal import EVBControl
internal import EVBModel

struct PortMisbehave: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "misbehave",
        abstract: "Have a bridge port misbehave, to test how a station takes it.",
        discussion: """
            For ports of role bridge. What is given takes the place of what the port did wrong before; --off has it \
            behave. It lasts until evbd restarts or its configuration says otherwise, and evbctl status shows it.

            EXAMPLES
              evbctl port misbehave port0 --refuse insufficient-resources --count 2
              evbctl port misbehave port0 --delay 5000 --drop-acks 3
              evbctl port misbehave port0 --off
            """)

    @Argument(
        help: ArgumentHelp("The interface of the port.", valueName: "iface"), completion: LiveCompletion.ports.kind)
    var interface: String

    @Flag(help: "Behave.")
    var off = false

    @Option(help: ArgumentHelp("Refuse what is asked, keep-alives too.", valueName: "reason"))
    var refuse: Misbehaviour.Reason?

    @Flag(help: "Refuse for good (Hard).")
    var hard = false

    @Flag(help: "Refuse, and say that the VSI stays as it was (Keep), also where there was nothing.")
    var keep = false

    @Option(help: ArgumentHelp("Refuse so many answers and no more.", valueName: "n"))
    var count: Int?

    @Option(
        help: ArgumentHelp("Refuse this VSI and no other.", valueName: "vsi"),
        completion: LiveCompletion.vsiNames.kind, transform: VSINames.checked)
    var vsi: String?

    @Option(help: ArgumentHelp("Answer so much later; acknowledgements are in time.", valueName: "ms"))
    var delay: Int?

    @Option(help: ArgumentHelp("Say nothing: no answers, or not even acknowledgements (all).", valueName: "what"))
    var silent: Misbehaviour.Silence?

    @Option(help: ArgumentHelp("Do not send the next so many acknowledgements.", valueName: "n"))
    var dropAcks: Int?

    @Option(help: ArgumentHelp("Do not send so many of a hundred acknowledgements.", valueName: "percent"))
    var dropAcksPercent: Int?

    @Option(help: ArgumentHelp("Grant this VLAN whatever is asked for.", valueName: "vid"))
    var vlan: Int?

    @Option(help: ArgumentHelp("Take all VSIs back, unasked, every so often.", valueName: "seconds"))
    var deassociateEvery: Int?

    @OptionGroup var global: GlobalOptions

    private var misbehaviour: Misbehaviour {
        Misbehaviour(
            refuse: refuse, hard: hard, keep: keep, refuseCount: count, vsiID: vsi, delay: delay, silent: silent,
            dropAcks: dropAcks, dropAcksPercent: dropAcksPercent, vlan: vlan, deassociateEvery: deassociateEvery)
    }

    /// The options by the keys that a contradiction names.
    private static let options = [
        "hard": "--hard", "keep": "--keep", "refuseCount": "--count", "vsiID": "--vsi", "delay": "--delay",
        "dropAcksPercent": "--drop-acks-percent", "refuse": "--refuse", "silent": "--silent",
        "dropAcks": "--drop-acks",
    ]

    func validate() throws {
        guard off == (misbehaviour == .none) else {
            throw ValidationError(off ? "--off goes with nothing else" : "say what to do wrong, or --off")
        }
        for (name, value, range) in [
            ("--count", count, Misbehaviour.countRange), ("--delay", delay, Misbehaviour.delayRange),
            ("--drop-acks", dropAcks, Misbehaviour.countRange),
            ("--drop-acks-percent", dropAcksPercent, Misbehaviour.percentRange),
            ("--vlan", vlan, Misbehaviour.vlanRange),
            ("--deassociate-every", deassociateEvery, Misbehaviour.secondsRange),
        ] {
            guard let value, !range.contains(value) else { continue }
            throw ValidationError("\(name) \(value) is out of range; give \(range.lowerBound) to \(range.upperBound)")
        }
        if let (key, problem) = misbehaviour.contradiction {
            var words = problem
            for (name, option) in Self.options where problem.hasSuffix(" " + name) {
                words = String(problem.dropLast(name.count)) + option
            }
            throw ValidationError("\(Self.options[key] ?? key) \(words)")
        }
    }

    func run() throws {
        try global.withClient { client throws(ControlClientError) in
            var misbehaviour = misbehaviour
            if let vsi {
                misbehaviour.vsiID = try client.select(
                    vsi, port: interface, timeoutMilliseconds: GlobalOptions.answerMilliseconds
                ).vsiID
            }
            let answer = try client.call(
                .misbehave, MisbehaveRequest(interface: interface, misbehaviour: off ? nil : misbehaviour),
                timeoutMilliseconds: GlobalOptions.answerMilliseconds)
            try global.show(answer, "port", as: PortDetails.self) { $0.misbehaviour($1.port) }
        }
    }
}
