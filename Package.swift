// swift-tools-version: 6.1
import PackageDescription

/// The rules that every Swift target here is compiled by.
let rules: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .unsafeFlags(["-warnings-as-errors"]),
    // Each function alone, so that the linker leaves out those that nothing calls, and has equal ones once: a twentieth of a program.
    .unsafeFlags(["-Xfrontend", "-function-sections"], .when(configuration: .release)),
]

/// The same for what daemons are made of. They have no regular expressions: those are a twentieth of a program, which it keeps in memory.
let strict: [SwiftSetting] =
    rules + [.unsafeFlags(["-Xfrontend", "-disable-implicit-string-processing-module-import"])]

/// For what evbctl alone is made of: what counts there is how long it takes to load.
let small: [SwiftSetting] = [.unsafeFlags(["-Osize"], .when(configuration: .release))]

/// Swift Testing's macros expand to code that the upcoming features above warn about, so tests keep only the language mode.
let strictTests: [SwiftSetting] = [.swiftLanguageMode(.v6), .unsafeFlags(["-warnings-as-errors"])]

/// How programs are linked. They resolve all symbols at their start, so that the table of their addresses is read-only from then on
/// (full RELRO). In a release nothing is exported, equal functions are one, and relocations are packed (glibc 2.36): an eighth of a
/// program's size. The C++ library below Swift's is linked in as that is: as a shared one it would cost each start of evbctl a
/// quarter of its time, for symbols that are looked up by name.
let hardened: [LinkerSetting] = [
    .unsafeFlags(["-use-ld=lld", "-Xlinker", "-z", "-Xlinker", "now"]),
    .unsafeFlags(
        [
            "-Xlinker", "--no-export-dynamic", "-Xlinker", "--icf=safe", "-Xlinker", "-z", "-Xlinker",
            "pack-relative-relocs", "-Xlinker", "--as-needed", "-L", "\(Context.packageDirectory)/Packaging/link",
            "-Xclang-linker", "-static-libgcc",
        ], .when(configuration: .release)),
]

/// For evbctl: functions of the same code are one, also those that Swift does not mark as such, because nothing compares their addresses.
/// (Names in a backtrace may be those of another function then, so a daemon is not linked like that.)
let folded: [LinkerSetting] = [.unsafeFlags(["-Xlinker", "--icf=all"], .when(configuration: .release))]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
    name: "evbd",
    products: [
        .executable(name: "evbd", targets: ["evbd"]),
        .executable(name: "evbctl", targets: ["evbctl"]),
        .executable(name: "evbd-snmp", targets: ["evbd-snmp"]),
        .executable(name: "evb-cni", targets: ["evb-cni"]),
        .executable(name: "evbd-types", targets: ["evbd-types"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    ],
    targets: [
        // Pure: no sockets, clocks, threads, files or Foundation.
        .target(name: "EVBTime", swiftSettings: strict),
        .target(name: "TerminalText", swiftSettings: strict),
        .target(name: "JSON", dependencies: ["TerminalText"], swiftSettings: strict),
        .target(name: "EVBModel", dependencies: ["JSON", "TerminalText"], swiftSettings: strict),
        .target(name: "EVBWire", swiftSettings: strict),
        .target(name: "EVBHistory", dependencies: ["EVBModel", "EVBWire"], swiftSettings: strict),
        .target(
            name: "EVBSettings", dependencies: ["EVBModel", "EVBWire"], swiftSettings: strict),
        .target(name: "EVBProtocol", dependencies: ["EVBTime", "EVBWire"], swiftSettings: strict),
        .target(name: "EdgeRelayMachine", dependencies: ["EVBWire"], swiftSettings: strict),
        .target(
            name: "EVBSimulation", dependencies: ["EVBProtocol", "EVBTime", "EVBWire", "EdgeRelayMachine"],
            swiftSettings: strict),
        .target(name: "EVBLog", dependencies: ["EVBTime", logging], swiftSettings: strict),
        .executableTarget(
            name: "evb-simulate", dependencies: ["EVBSimulation", "EVBTime", argumentParser], swiftSettings: strict),

        // OVSDB (RFC 7047), as far as a host's Open vSwitch needs it.
        .target(name: "OVSDB", dependencies: ["EVBWire", "JSON"], swiftSettings: strict),

        // SNMP: the protocol between a master and its subagents, and evbd's state as objects of the MIBs.
        .target(name: "AgentX", dependencies: ["EVBTime"], swiftSettings: strict),
        .target(name: "EVBMIB", dependencies: ["AgentX", "EVBModel", "EVBTime", "EVBWire"], swiftSettings: strict),
        .target(name: "LldpadFile", dependencies: ["EVBModel", "TerminalText"], swiftSettings: strict + small),
        .target(name: "Pcapng", swiftSettings: strict + small),

        // The command line of a daemon.
        .target(
            name: "ProgramOptions", dependencies: ["CLinux", "JSON", "TerminalText"], swiftSettings: strict),

        // The kernel, one small type per interface.
        .target(name: "CLinux", cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]),
        .systemLibrary(
            name: "CNetlink", pkgConfig: "libnl-route-3.0",
            providers: [.apt(["libnl-3-dev", "libnl-route-3-dev"])]),
        .systemLibrary(name: "CNftables", pkgConfig: "libnftables", providers: [.apt(["libnftables-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(name: "LinuxSystem", dependencies: ["CLinux"], swiftSettings: strict),
        .target(name: "EventLoop", dependencies: ["EVBTime", "LinuxSystem", "CLinux"], swiftSettings: strict),
        .target(name: "PacketSocket", dependencies: ["LinuxSystem", "CLinux"], swiftSettings: strict),
        .target(name: "Nftables", dependencies: ["CNftables", "LinuxSystem", "CLinux"], swiftSettings: strict),
        .target(name: "Netlink", dependencies: ["LinuxSystem", "CLinux", "CNetlink"], swiftSettings: strict),

        // The host's Open vSwitch, by its database's socket.
        .target(
            name: "OpenVSwitch",
            dependencies: [
                "OVSDB", "EVBControl", "EVBSettings", "EVBTime", "EventLoop", "LinuxSystem", "EVBLog", logging,
            ],
            swiftSettings: strict),

        // What the kernel is told: operations as data, and the thread that performs them.
        .target(
            name: "Dataplane",
            dependencies: ["EventLoop", "EVBTime", "Netlink", "Nftables", "LinuxSystem", "CLinux", logging],
            swiftSettings: strict),

        .target(
            name: "EdgeRelays",
            dependencies: [
                "Dataplane", "EdgeRelayMachine", "OpenVSwitch", "OVSDB", "EVBSettings", "EVBTime", "EVBWire",
                "EventLoop",
                "JSON", "Netlink", "Nftables", "LinuxSystem", "EVBLog", logging,
            ],
            swiftSettings: strict),
        .target(
            name: "BridgeDataplane",
            dependencies: [
                "Dataplane", "EVBSettings", "EVBTime", "EVBWire", "EventLoop", "JSON", "Netlink", "Nftables",
                "LinuxSystem", "EVBLog", logging,
            ],
            swiftSettings: strict),
        .target(
            name: "ChannelDataplane",
            dependencies: [
                "Dataplane", "EVBTime", "EVBWire", "EventLoop", "Netlink", "Nftables", "LinuxSystem", "EVBLog", logging,
            ],
            swiftSettings: strict),

        // Ports, and the front doors that ask things of them.
        .target(
            name: "EVBPorts",
            dependencies: [
                "EVBProtocol", "EVBModel", "EVBSettings", "EVBTime", "EVBWire", "Dataplane", "EventLoop", "JSON",
                "OpenVSwitch", "PacketSocket", "Netlink", "LinuxSystem", "EVBLog", logging,
            ],
            swiftSettings: strict),
        .target(
            name: "EVBStation",
            dependencies: [
                "EVBPorts", "EdgeRelays", "EdgeRelayMachine", "Dataplane", "OpenVSwitch", "OVSDB", "EVBProtocol",
                "EVBModel", "EVBSettings", "EVBTime", "EVBWire", "EventLoop", "JSON", "Netlink", "LinuxSystem",
                "EVBLog", logging,
            ],
            swiftSettings: strict),
        .target(
            name: "EVBBridge",
            dependencies: [
                "EVBPorts", "BridgeDataplane", "Dataplane", "EVBProtocol", "EVBModel", "EVBSettings", "EVBTime",
                "EVBWire", "EventLoop", "JSON", "Netlink", "Nftables", "LinuxSystem", "EVBLog", logging,
            ],
            swiftSettings: strict),
        .target(
            name: "EVBUplinks",
            dependencies: [
                "EVBPorts", "ChannelDataplane", "Dataplane", "EVBProtocol", "EVBModel", "EVBSettings", "EVBTime",
                "EVBWire", "EventLoop", "JSON", "Netlink", "LinuxSystem", "EVBLog", logging,
            ],
            swiftSettings: strict),
        .target(
            name: "ControlServer",
            dependencies: [
                "EVBControl", "EVBHistory", "EVBModel", "EVBPorts", "EVBProtocol", "EVBTime", "EVBWire", "EventLoop",
                "JSON", "LinuxSystem", "EVBLog", logging,
            ],
            swiftSettings: strict),
        .target(
            name: "HostTaps",
            dependencies: [
                "EVBModel", "EVBPorts", "EVBProtocol", "EVBSettings", "EVBTime", "EVBWire", "Dataplane", "EventLoop",
                "LinuxSystem", "Netlink", "OpenVSwitch", "OVSDB", "EVBLog", logging,
            ],
            swiftSettings: strict),
        .target(
            name: "LibvirtServer",
            dependencies: [
                "EVBModel", "EVBPorts", "EVBProtocol", "EVBTime", "EVBWire", "EventLoop", "LinuxSystem", "Netlink",
                "TerminalText",
                "EVBLog", logging,
            ],
            swiftSettings: strict),

        // The daemon and its client.
        .target(
            name: "SettingsFile",
            dependencies: ["EVBSettings", "EVBModel", "EVBWire", "JSON", "LinuxSystem", "TerminalText", "CYAML"],
            swiftSettings: strict),
        // What evbd and evbd-types hand to each other.
        .target(
            name: "TypeCopies", dependencies: ["EVBSettings", "EVBWire", "JSON", "LinuxSystem", "SettingsFile"],
            swiftSettings: strict),
        .target(
            name: "EVBControl", dependencies: ["EVBModel", "JSON", "LinuxSystem", "CLinux", "TerminalText"],
            swiftSettings: strict),
        .target(
            name: "EVBDaemon",
            dependencies: [
                "EVBProtocol", "EVBTime", "EVBWire", "LinuxSystem", "CLinux", "EventLoop", "PacketSocket", "Netlink",
                "Nftables", "Dataplane", "EdgeRelays", "BridgeDataplane", "EVBPorts", "EVBStation", "EVBBridge",
                "EVBUplinks", "OpenVSwitch", "HostTaps", "ControlServer", "LibvirtServer", "EVBHistory",
                "EVBControl", "EVBModel", "EVBSettings", "SettingsFile", "TypeCopies", "JSON", "TerminalText", "EVBLog",
                logging,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "evbd",
            dependencies: [
                "EVBDaemon", "EVBLog", "EVBModel", "EVBSettings", "LinuxSystem", "ProgramOptions", "SettingsFile",
                "TypeCopies", logging,
            ],
            swiftSettings: strict, linkerSettings: hardened),
        .executableTarget(
            name: "evbctl",
            dependencies: [
                "ContainerNetwork", "EVBControl", "EVBModel", "JSON", "LinuxSystem", "LldpadFile", "Pcapng",
                "TerminalText", argumentParser,
            ],
            swiftSettings: rules + small, linkerSettings: hardened + folded),

        // Containers: what a plugin of the Container Network Interface is asked, and what that asks of evbd.
        .target(
            name: "ContainerNetwork", dependencies: ["EVBControl", "EVBModel", "JSON"], swiftSettings: strict + small),
        .executableTarget(
            name: "evb-cni", dependencies: ["ContainerNetwork", "EVBControl", "EVBModel", "JSON", "LinuxSystem"],
            swiftSettings: strict, linkerSettings: hardened),

        .executableTarget(
            name: "evbd-snmp",
            dependencies: [
                "AgentX", "EVBMIB", "EVBControl", "EVBModel", "EVBTime", "LinuxSystem", "ProgramOptions",
                "TerminalText",
            ],
            swiftSettings: strict, linkerSettings: hardened),

        .executableTarget(
            name: "evbd-types",
            dependencies: [
                "CCurl", "EVBModel", "EVBSettings", "EVBTime", "EventLoop", "LinuxSystem", "ProgramOptions",
                "TerminalText", "TypeCopies",
            ],
            swiftSettings: strict, linkerSettings: hardened),

        // What tests share: namespaces of the network, and replies of a daemon.
        .target(
            name: "NetnsSupport", dependencies: ["LinuxSystem"], path: "Tests/NetnsSupport", swiftSettings: strictTests),
        .target(
            name: "VSISamples", dependencies: ["EVBSettings", "EVBWire", "SettingsFile"], path: "Tests/VSISamples",
            swiftSettings: strictTests),
        .target(
            name: "ControlSamples", dependencies: ["EVBControl", "EVBModel"], path: "Tests/ControlSamples",
            swiftSettings: strictTests),

        .testTarget(
            name: "ProgramOptionsTests", dependencies: ["ProgramOptions", "JSON"], swiftSettings: strictTests),
        .testTarget(
            name: "EVBHistoryTests", dependencies: ["EVBHistory", "EVBModel", "EVBTime", "EVBWire"],
            swiftSettings: strictTests),
        .testTarget(name: "EVBWireTests", dependencies: ["EVBWire", "EVBTime"], swiftSettings: strictTests),
        .testTarget(
            name: "EVBProtocolTests", dependencies: ["EVBProtocol", "EVBTime", "EVBWire"], exclude: ["Snapshots"],
            swiftSettings: strictTests),
        .testTarget(
            name: "EdgeRelayMachineTests", dependencies: ["EdgeRelayMachine", "EVBWire"], exclude: ["Snapshots"],
            swiftSettings: strictTests),
        .testTarget(name: "EVBLogTests", dependencies: ["EVBLog", "EVBTime", logging], swiftSettings: strictTests),
        .testTarget(
            name: "EVBSimulationTests", dependencies: ["EVBSimulation", "EVBProtocol", "EVBTime", "EVBWire"],
            swiftSettings: strictTests),
        .testTarget(name: "OVSDBTests", dependencies: ["OVSDB", "EVBWire", "JSON"], swiftSettings: strictTests),
        .testTarget(
            name: "OpenVSwitchTests",
            dependencies: [
                "OpenVSwitch", "OVSDB", "EVBControl", "EVBSettings", "EVBTime", "EventLoop", "LinuxSystem", logging,
            ],
            swiftSettings: strictTests),
        .testTarget(
            name: "HostTapsTests", dependencies: ["HostTaps", "EVBSettings", "EVBWire"], swiftSettings: strictTests),
        .testTarget(name: "AgentXTests", dependencies: ["AgentX", "EVBTime"], swiftSettings: strictTests),
        .testTarget(
            name: "EVBMIBTests", dependencies: ["EVBMIB", "AgentX", "EVBModel", "EVBTime", "ControlSamples"],
            swiftSettings: strictTests),
        .testTarget(
            name: "EventLoopTests", dependencies: ["EventLoop", "EVBTime", "LinuxSystem"], swiftSettings: strictTests),
        .testTarget(
            name: "PacketSocketTests",
            dependencies: ["PacketSocket", "LinuxSystem", "CLinux", "EVBTime", "NetnsSupport"],
            swiftSettings: strictTests),
        .testTarget(
            name: "NetlinkTests", dependencies: ["Netlink", "Dataplane", "CNetlink", "LinuxSystem", "NetnsSupport"],
            swiftSettings: strictTests),
        .testTarget(
            name: "DataplaneTests",
            dependencies: ["Dataplane", "EventLoop", "Netlink", "Nftables", "LinuxSystem", "NetnsSupport", logging],
            swiftSettings: strictTests),
        .testTarget(
            name: "ChannelDataplaneTests",
            dependencies: [
                "ChannelDataplane", "Dataplane", "EventLoop", "EVBTime", "Netlink", "Nftables", "LinuxSystem",
                "NetnsSupport", logging,
            ],
            exclude: ["Snapshots", "frames.py"], swiftSettings: strictTests),
        .testTarget(name: "PcapngTests", dependencies: ["Pcapng"], swiftSettings: strictTests),
        .testTarget(name: "LinuxSystemTests", dependencies: ["LinuxSystem"], swiftSettings: strictTests),
        .testTarget(
            name: "NftablesTests", dependencies: ["Nftables", "LinuxSystem", "NetnsSupport"], swiftSettings: strictTests
        ),
        .testTarget(
            name: "EVBControlTests",
            dependencies: ["EVBControl", "EVBModel", "JSON", "LinuxSystem", "TerminalText", "ControlSamples"],
            swiftSettings: strictTests),
        .testTarget(
            name: "evbctlTests",
            dependencies: [
                "evbctl", "EVBControl", "EVBModel", "JSON", "LinuxSystem", "TerminalText", "ControlSamples",
                argumentParser,
            ],
            exclude: ["Help"], swiftSettings: strictTests),
        .testTarget(
            name: "ContainerNetworkTests", dependencies: ["ContainerNetwork", "EVBControl", "EVBModel", "JSON"],
            swiftSettings: strictTests),
        .testTarget(
            name: "ControlServerTests",
            dependencies: [
                "VSISamples", "ControlServer", "EVBControl", "EVBModel", "EVBPorts", "EventLoop", "EVBWire", "EVBTime",
                "JSON",
                "LinuxSystem", logging,
            ],
            swiftSettings: strictTests),
        .testTarget(
            name: "LibvirtServerTests",
            dependencies: [
                "VSISamples", "EVBModel", "LibvirtServer", "EVBPorts", "EVBProtocol", "EVBWire", "EVBTime", "EventLoop",
                "Netlink", "LinuxSystem",
                logging,
            ],
            swiftSettings: strictTests),
        .testTarget(
            name: "EVBStationTests",
            dependencies: [
                "VSISamples", "EVBStation", "EVBPorts", "EdgeRelays", "EVBProtocol", "EVBWire", "EVBTime", "EventLoop",
                "Netlink",
                "LinuxSystem", logging,
            ],
            swiftSettings: strictTests),
        .testTarget(
            name: "SettingsFileTests",
            dependencies: ["VSISamples", "SettingsFile", "EVBSettings", "EVBModel", "EVBWire", "JSON", "LinuxSystem"],
            swiftSettings: strictTests),
        .testTarget(
            name: "TypeCopiesTests",
            dependencies: ["TypeCopies", "EVBSettings", "EVBTime", "EVBWire", "LinuxSystem", "SettingsFile"],
            swiftSettings: strictTests),
        .testTarget(
            name: "LldpadFileTests", dependencies: ["LldpadFile", "EVBSettings", "LinuxSystem", "SettingsFile"],
            exclude: ["Samples"], swiftSettings: strictTests),
        .testTarget(
            name: "EVBPortsTests",
            dependencies: [
                "EVBModel", "EVBPorts", "EVBProtocol", "EVBSettings", "EVBTime", "EVBWire", "EventLoop", "PacketSocket",
                "Netlink",
                "JSON", "LinuxSystem",
                "NetnsSupport", logging,
            ],
            swiftSettings: strictTests),
        .testTarget(
            name: "EVBDaemonTests",
            dependencies: [
                "VSISamples", "EVBDaemon", "EVBProtocol", "EVBTime", "EVBWire", "EVBControl", "EVBModel", "EVBSettings",
                "SettingsFile", "EventLoop", "JSON",
                "TerminalText", "EVBHistory",
                "LinuxSystem",
                "Netlink", "NetnsSupport",
                "Nftables", "Dataplane", "EdgeRelays", "EdgeRelayMachine", "BridgeDataplane", "EVBPorts", "EVBStation",
                "EVBBridge", "ControlServer", "LibvirtServer", "PacketSocket", "EVBLog", logging,
            ],
            exclude: ["Links/Snapshots"], swiftSettings: strictTests),
        // Tests/Fuzz/run builds and runs them, with libFuzzer. Here they have to compile, so that a change that breaks one is told at once.
        .testTarget(
            name: "Fuzz",
            dependencies: [
                "AgentX", "EVBControl", "EVBMIB", "EVBModel", "EVBProtocol", "EVBTime", "EVBWire", "JSON",
                "LibvirtServer",
                "LldpadFile", "OVSDB", "TerminalText",
            ],
            path: "Tests/Fuzz", exclude: ["regressions", "run", "seeds.py"], swiftSettings: strictTests),
    ]
)
