internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import Glibc
internal import JSON
internal import LinuxSystem
internal import TerminalText

struct Capture: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "capture",
        abstract: "Capture the LLDP and ECP of a port, with what evbd made of each frame.",
        discussion: """
            A pcapng with both directions: what the port heard, ignored frames too, and what evbd wrote. The comment of each frame \
            has its TLVs and VSIs in words, what became of it, and why it was ignored, if it was. Without --write it goes to \
            standard output, for a pipe. Ctrl-C, --count or --duration ends it; the file is whole in any case. Where evbctl is \
            slower than the frames come, evbd leaves frames out, and the file says how many and where.

            It needs the control socket of evbd: root, or a member of its group.

            EXAMPLES
              evbctl capture eth0 | wireshark -k -i -
              evbctl capture eth0 --write eth0.pcapng --duration 5m
              evbctl capture eth0 --print --count 10
            """)

    @Argument(
        help: ArgumentHelp("The interface of the port, or the device of an S-channel.", valueName: "iface"),
        completion: LiveCompletion.ports.kind)
    var interface: String

    @Option(
        help: ArgumentHelp(
            "The file to write, which is replaced if it is there; - is standard output.", valueName: "file"),
        completion: .file())
    var write: String?

    @Option(help: ArgumentHelp("End after so many frames.", valueName: "frames"))
    var count: Int?

    @Option(
        help: ArgumentHelp("End after this time, such as 90s, 30m, 4h or 2d, at most 7d.", valueName: "time"),
        transform: parseTime)
    var duration: Int?

    @Flag(help: "Print each frame on a line, for people; a file is written only with --write.")
    var print = false

    @OptionGroup var global: GlobalOptions

    private var showsLines: Bool { print || global.json }

    /// Whether the capture itself goes to standard output.
    private var isPiped: Bool { write == "-" || write == nil && !showsLines }

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count \(count) ends before it begins; give at least 1") }
        if isPiped, showsLines {
            throw ValidationError("standard output takes the capture or the lines, not both: name a file with --write")
        }
        if write == "" { throw ValidationError("--write needs the name of a file") }
    }

    func run() throws {
        if isPiped, Terminal.isTerminal {
            throw ValidationError(
                "standard output is a terminal, and a capture is no text: add --print to read it here, --write FILE to keep "
                    + "it, or | wireshark -k -i -")
        }
        let recorder = CaptureRecorder(
            path: isPiped ? nil : write, writes: isPiped || write != nil, version: Release.version)
        Interrupt.isNoted()
        do {
            let client = try GlobalOptions.connect(global.socketPath)
            try client.subscribe(.capture, CaptureRequest(port: interface))
            try follow(client, recorder)
        } catch let error as ControlClientError {
            let failure = recorder.hasBegun ? Self.ended(error) : Failure(error)
            // Whatever ends it, the file is whole.
            try? recorder.end(failure.message)
            sayEnd(recorder)
            try fail(failure)
        } catch let failure as Failure {
            try fail(failure)
        }
    }

    private func fail(_ failure: Failure) throws {
        Terminal.complain(global.json ? failure.json.pretty : failure.text)
        throw ExitCode(failure.status)
    }

    /// What has ended a capture that had begun.
    private static func ended(_ error: ControlClientError) -> Failure {
        guard case .closed(let socket) = error else { return Failure(error) }
        return Failure(
            "NoDaemon",
            "evbd has closed the connection on \(socket): it was stopped or restarted, or needed the place for others",
            remedy: "see its log (journalctl -u evbd); then capture again", status: Failure.Status.noDaemon)
    }

    /// Takes what comes until it is enough.
    private func follow(_ client: ControlClient, _ recorder: CaptureRecorder) throws {
        // How long a wait may keep a Ctrl-C waiting.
        let patience = 100
        var end: UInt64?
        while !Interrupt.isDue, !recorder.hasNoReader, count.map({ recorder.frames < $0 }) ?? true {
            var milliseconds = patience
            if let end {
                let now = MonotonicClock.now()
                guard now < end else { break }
                milliseconds = min(patience, Int((end - now) / 1_000_000) + 1)
            }
            guard let answer = try client.nextEvent(within: milliseconds) else { continue }
            let event = try answer.value("event", as: CaptureEvent.self)
            if let start = event.start {
                try recorder.begin(start)
                end = duration.map { MonotonicClock.now() + UInt64($0) * 1_000_000_000 }
                say("capturing on \(start.interface); Ctrl-C ends it")
            }
            if let notice = event.notice { say(notice) }
            try recorder.take(event)
            show(event, answer)
        }
        try recorder.end(nil)
        sayEnd(recorder)
    }

    private func show(_ event: CaptureEvent, _ answer: ControlAnswer) {
        if global.json {
            Swift.print((answer.parameters["event"] ?? .null).compact)
        } else if print, let frame = event.frame {
            Swift.print(Terminal.presenter.frame(frame))
        } else {
            return
        }
        Terminal.flush()
    }

    private func sayEnd(_ recorder: CaptureRecorder) {
        guard recorder.hasBegun else { return }
        let frames = recorder.frames == 1 ? "1 frame" : "\(recorder.frames) frames"
        let file = recorder.path.map { " in \($0)" } ?? ""
        say("\(frames)\(file), \(recorder.lost) lost, \(recorder.dropped) dropped by the kernel")
    }

    /// What is no part of the capture goes to standard error.
    private func say(_ text: String) {
        if !global.json { Terminal.complain("evbctl: \(printable(text))") }
    }
}
