// The whole help text of every command, against the files in Help/. EVBD_UPDATE_SNAPSHOTS=1 rewrites them, and fails:
// a rewritten file has to be read before it is believed.

import ArgumentParser
import Glibc
import LinuxSystem
import Testing

@testable import evbctl

@Suite struct HelpTests {
    private static let commands: [(name: String, type: any ParsableCommand.Type)] = [
        ("evbctl", Evbctl.self), ("status", Status.self), ("check", Check.self), ("port", Port.self),
        ("port-list", PortList.self),
        ("port-show", PortShow.self), ("port-misbehave", PortMisbehave.self), ("vsi", VSI.self),
        ("vsi-list", VSIList.self), ("vsi-show", VSIShow.self),
        ("vsi-associate", VSIAssociate.self), ("vsi-preassociate", VSIPreassociate.self),
        ("vsi-deassociate", VSIDeassociate.self), ("vsi-retry", VSIRetry.self), ("why", Why.self),
        ("drain", Drain.self), ("probe", Probe.self), ("monitor", Monitor.self),
        ("capture", Capture.self), ("stats", Stats.self),
        ("metrics", MetricsCommand.self), ("reload", Reload.self), ("config", Config.self),
        ("config-show", ConfigShow.self), ("log-level", LogLevel.self), ("types", Types.self),
        ("types-list", Types.List.self), ("types-fetch", Types.Fetch.self), ("import", Import.self),
        ("hook", Hook.self), ("hook-oci", HookOCI.self), ("varlink", Varlink.self), ("version", Version.self),
    ]

    private static let directory =
        "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false).dropLast()
        .joined(separator: "/") + "/Help"

    @Test(arguments: commands.map(\.name)) func helpIsAsCommitted(_ name: String) throws {
        let type = try #require(Self.commands.first { $0.name == name }?.type)
        let help = Evbctl.helpMessage(for: type, columns: 80) + "\n"
        let path = "\(Self.directory)/\(name).txt"
        if getenv("EVBD_UPDATE_SNAPSHOTS").map({ String(cString: $0) }) == "1" {
            try Files.write(path, Array(help.utf8), mode: 0o644)
            Issue.record("rewritten: \(path)")
            return
        }
        let committed = String(decoding: try Files.read(path, limit: 1 << 20), as: UTF8.self)
        #expect(help == committed, "run again with EVBD_UPDATE_SNAPSHOTS=1 and read what changes")
    }

    @Test func everyCommandIsThere() {
        func names(_ type: any ParsableCommand.Type) -> Int {
            1 + type.configuration.subcommands.map(names).reduce(0, +)
        }
        #expect(names(Evbctl.self) == Self.commands.count)
    }

    @Test func everyCommandHasAnExample() {
        for (name, type) in Self.commands {
            let text = type.configuration.discussion
            #expect(text.contains("EXAMPLE") && text.contains("evbctl "), "\(name)")
        }
    }
}
