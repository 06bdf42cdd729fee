// swift-tools-version: 6.1
import PackageDescription

/// The rules that every Swift target here is compiled by.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .unsafeFlags(["-warnings-as-errors"]),
]

/// Swift Testing's macros expand to code that the upcoming features above warn about, so tests keep only the language mode.
let strictTests: [SwiftSetting] = [.swiftLanguageMode(.v6), .unsafeFlags(["-warnings-as-errors"])]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
    name: "evbd",
    products: [
        .executable(name: "evbd", targets: ["evbd"]),
        .executable(name: "evbctl", targets: ["evbctl"]),
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
        .target(name: "EVBWire", swiftSettings: strict),
        .target(name: "EVBProtocol", dependencies: ["EVBTime", "EVBWire"], swiftSettings: strict),
        .target(name: "EdgeRelayMachine", dependencies: ["EVBWire"], swiftSettings: strict),
        .target(
            name: "EVBSimulation", dependencies: ["EVBProtocol", "EVBTime", "EVBWire", "EdgeRelayMachine"],
            swiftSettings: strict),
        .executableTarget(
            name: "evb-simulate", dependencies: ["EVBSimulation", "EVBTime", argumentParser], swiftSettings: strict),

        // The kernel, one small type per interface.
        .target(name: "CLinux", cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]),
        .systemLibrary(
            name: "CNetlink", pkgConfig: "libnl-route-3.0",
            providers: [.apt(["libnl-3-dev", "libnl-route-3-dev"])]),
        .systemLibrary(name: "CNftables", pkgConfig: "libnftables", providers: [.apt(["libnftables-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .target(name: "LinuxSystem", dependencies: ["CLinux"], swiftSettings: strict),
        .target(name: "EventLoop", dependencies: ["LinuxSystem", "CLinux"], swiftSettings: strict),
        .target(name: "PacketSocket", dependencies: ["LinuxSystem", "CLinux"], swiftSettings: strict),
        .target(name: "Nftables", dependencies: ["CNftables", "LinuxSystem", "CLinux"], swiftSettings: strict),
        .target(name: "Netlink", dependencies: ["LinuxSystem", "CLinux", "CNetlink"], swiftSettings: strict),

        // The daemon and its client.
        .target(
            name: "EVBControl", dependencies: ["JSON", "LinuxSystem", "CLinux", "TerminalText"], swiftSettings: strict),
        .target(
            name: "EVBDaemon",
            dependencies: [
                "EVBProtocol", "EVBTime", "EVBWire", "LinuxSystem", "CLinux", "EventLoop", "PacketSocket", "Netlink",
                "Nftables",
                "EVBControl", "JSON", "TerminalText", "CYAML", "EdgeRelayMachine", logging,
            ],
            swiftSettings: strict),
        .executableTarget(name: "evbd", dependencies: ["EVBDaemon", argumentParser], swiftSettings: strict),
        .executableTarget(
            name: "evbctl", dependencies: ["EVBControl", "JSON", "TerminalText", argumentParser], swiftSettings: strict),

        .testTarget(name: "EVBWireTests", dependencies: ["EVBWire"], swiftSettings: strictTests),
        .testTarget(
            name: "EVBProtocolTests", dependencies: ["EVBProtocol", "EVBTime", "EVBWire"], exclude: ["Snapshots"],
            swiftSettings: strictTests),
        .testTarget(
            name: "EdgeRelayMachineTests", dependencies: ["EdgeRelayMachine", "EVBWire"], exclude: ["Snapshots"],
            swiftSettings: strictTests),
        .testTarget(
            name: "EVBSimulationTests", dependencies: ["EVBSimulation", "EVBProtocol", "EVBTime", "EVBWire"],
            swiftSettings: strictTests),
        .testTarget(name: "EventLoopTests", dependencies: ["EventLoop", "LinuxSystem"], swiftSettings: strictTests),
        .testTarget(
            name: "PacketSocketTests", dependencies: ["PacketSocket", "LinuxSystem", "CLinux"],
            swiftSettings: strictTests),
        .testTarget(name: "NetlinkTests", dependencies: ["Netlink", "LinuxSystem"], swiftSettings: strictTests),
        .testTarget(
            name: "EVBControlTests", dependencies: ["EVBControl", "JSON", "TerminalText", "evbctl"], exclude: ["Help"],
            swiftSettings: strictTests),
        .testTarget(
            name: "EVBDaemonTests",
            dependencies: [
                "EVBDaemon", "EVBProtocol", "EVBTime", "EVBWire", "EVBControl", "EventLoop", "JSON", "TerminalText",
                "LinuxSystem",
                "Netlink",
                "Nftables", "PacketSocket", logging,
            ],
            swiftSettings: strictTests),
    ]
)
