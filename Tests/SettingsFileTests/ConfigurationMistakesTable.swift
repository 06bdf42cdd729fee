// What a user writes, and the exact lines that come of it.

import Testing

@testable import SettingsFile

struct MistakeCase: Sendable, CustomTestStringConvertible {
    let name: String
    let text: String
    let lines: String

    var testDescription: String { name }
}

enum ConfigurationMistakesTable {
    static let cases: [MistakeCase] = [
        MistakeCase(
            name: "empty", text: "",
            lines: "evbd.yaml:1: is empty; give at least ports, a list with an entry per interface"),
        MistakeCase(
            name: "only a comment", text: "# nothing\n",
            lines: "evbd.yaml:1: is empty; give at least ports, a list with an entry per interface"),
        MistakeCase(
            name: "not a mapping", text: "- eth0\n",
            lines: "evbd.yaml:1: is a list; give keys such as ports, each with its value"),
        MistakeCase(
            name: "no ports", text: "log: { level: info }\n",
            lines: "evbd.yaml:1: ports: is missing; give a list with an entry per interface"),
        MistakeCase(
            name: "broken YAML", text: "ports:\n  - interface: eth0\n    ecp: { retries: 3\n",
            lines: "evbd.yaml:4: is not YAML: did not find expected ',' or '}'; check the indentation, colons and "
                + "quotes on that line"),
        MistakeCase(
            name: "a tab", text: "ports:\n\t- interface: eth0\n",
            lines: "evbd.yaml:2: is not YAML: found character that cannot start any token; check the indentation, "
                + "colons and quotes on that line"),
        MistakeCase(
            name: "two documents", text: "ports: []\n---\nports: []\n",
            lines: "evbd.yaml:2: a second document begins here; give one document in a file"),
        MistakeCase(
            name: "group addresses that are none",
            text: """
                ports:
                  - { interface: a, group-address: 02:00:00:00:00:01 }
                  - { interface: b, group-address: ff:ff:ff:ff:ff:ff }
                  - { interface: c, role: bridge, group-address: 01-80-c2 }
                  - { interface: d, group-address: [] }
                """,
            lines: """
                evbd.yaml:2: ports[0].group-address: "02:00:00:00:00:01" is not a group address; give one such as \
                01:00:0d:00:0f:0a, or leave the key out
                evbd.yaml:3: ports[1].group-address: "ff:ff:ff:ff:ff:ff" is not a group address; give one such as \
                01:00:0d:00:0f:0a, or leave the key out
                evbd.yaml:4: ports[2].group-address: "01-80-c2" is not a group address; give one such as \
                01:00:0d:00:0f:0a, or leave the key out
                evbd.yaml:5: ports[3].group-address: is a list; give one such as 01:00:0d:00:0f:0a, or leave the key \
                out
                """),
        MistakeCase(
            name: "many at once",
            text: """
                ports:
                  - interface: eth0
                    ecp: { retries: 9, rte: fast }
                    vdp: { rwd: -1, rka: 99999999999999999999 }
                    group-ids: yes
                    edge_relay: veb
                  - role: station
                log: { level: verbose }
                colour: blue
                """,
            lines: """
                evbd.yaml:3: ports[0].ecp.retries: 9 is out of range; give 0 to 7
                evbd.yaml:3: ports[0].ecp.rte: "fast" is not a whole number in decimal digits; give 0 to 31
                evbd.yaml:4: ports[0].vdp.rwd: -1 is out of range; give 0 to 31
                evbd.yaml:4: ports[0].vdp.rka: 99999999999999999999 is out of range; give 0 to 31
                evbd.yaml:5: ports[0].group-ids: "yes" is neither true nor false; give true
                evbd.yaml:6: ports[0].edge_relay: is not a known key; did you mean edge-relay?
                evbd.yaml:7: ports[1].interface: is missing; give the name of a network interface
                evbd.yaml:8: log.level: "verbose" is not a valid value; give trace, debug, info, notice, warning, \
                error or critical
                evbd.yaml:9: colour: is not a known key; the known keys are ports, control, libvirt, open-vswitch, taps, limits, \
                deassociate-on-stop, reload, log
                """),
        MistakeCase(
            name: "SEC-86 limits",
            text: "ports: []\nlimits: { vsis: 0, filter-entries: 5000000, vsis_per_port: 3 }\n",
            lines: """
                evbd.yaml:2: limits.vsis_per_port: is not a known key; did you mean vsis-per-port?
                evbd.yaml:2: limits.vsis: 0 is out of range; give 1 to 4194304
                evbd.yaml:2: limits.filter-entries: 5000000 is out of range; give 1 to 4194304
                """),
        MistakeCase(
            name: "numbers that are none",
            text: "ports:\n- interface: a\n  ecp: { retries: 03, rte: \"3\" }\n  vdp: { rwd: 0x3, rka: 3.0 }\n",
            lines: """
                evbd.yaml:3: ports[0].ecp.retries: "03" is not a whole number in decimal digits; give 0 to 7
                evbd.yaml:3: ports[0].ecp.rte: "3" is not a whole number in decimal digits; give 0 to 31
                evbd.yaml:4: ports[0].vdp.rwd: "0x3" is not a whole number in decimal digits; give 0 to 31
                evbd.yaml:4: ports[0].vdp.rka: "3.0" is not a whole number in decimal digits; give 0 to 31
                """),
        MistakeCase(
            name: "truth values that are none",
            text: "ports: []\ndeassociate-on-stop: \"true\"\nlibvirt: { enabled: Off }\n",
            lines: """
                evbd.yaml:2: deassociate-on-stop: "true" is neither true nor false; give true, without quotes
                evbd.yaml:3: libvirt.enabled: "Off" is neither true nor false; give false
                """),
        MistakeCase(
            name: "wrong types",
            text:
                "ports: eth0\ncontrol: [ /run/s ]\nlibvirt:\nlog: { level: { of: water } }\ndeassociate-on-stop: []\n",
            lines: """
                evbd.yaml:1: ports: is a single value; give a list of ports, each after a dash
                evbd.yaml:2: control: is a list; give keys such as socket, each with its value
                evbd.yaml:3: libvirt: is empty; give keys such as enabled, each with its value
                evbd.yaml:4: log.level: is a mapping; give trace, debug, info, notice, warning, error or critical
                evbd.yaml:5: deassociate-on-stop: is a list; give true or false
                """),
        MistakeCase(
            name: "interfaces",
            text: """
                ports:
                  - interface: eth0
                  - interface: eth0
                  - interface: \(String(repeating: "abcdefghijklmnop", count: 8))
                  - interface: a/b
                  - interface: "a b"
                  - interface: ".."
                  - interface: "e\\e[31m"
                  - interface: e%d
                  - interface:
                  - eth1
                """,
            lines: """
                evbd.yaml:3: ports[1].interface: eth0 is already ports[0], on line 2; give every interface once
                evbd.yaml:4: ports[2].interface: "\(String(repeating: "abcdefghijklmnop", count: 4))..." is not an interface name: it is longer than 127 octets; \
                give 1 to 127 octets without /, :, %, white space, control and invisible characters, and not . or .., as ip link shows it
                evbd.yaml:5: ports[3].interface: "a/b" is not an interface name: it has a character that the kernel does not accept; \
                give 1 to 127 octets without /, :, %, white space, control and invisible characters, and not . or .., as ip link shows it
                evbd.yaml:6: ports[4].interface: "a b" is not an interface name: it has a character that the kernel does not accept; \
                give 1 to 127 octets without /, :, %, white space, control and invisible characters, and not . or .., as ip link shows it
                evbd.yaml:7: ports[5].interface: ".." is not an interface name: it is the name of a directory; \
                give 1 to 127 octets without /, :, %, white space, control and invisible characters, and not . or .., as ip link shows it
                evbd.yaml:8: ports[6].interface: "e\\u{1B}[31m" is not an interface name: it has a character that is not printable; \
                give 1 to 127 octets without /, :, %, white space, control and invisible characters, and not . or .., as ip link shows it
                evbd.yaml:9: ports[7].interface: "e%d" is not an interface name: it has a %, which the kernel replaces by a number; \
                give 1 to 127 octets without /, :, %, white space, control and invisible characters, and not . or .., as ip link shows it
                evbd.yaml:10: ports[8].interface: is empty; give the name of a network interface
                evbd.yaml:11: ports[9]: is a single value; give keys such as interface, each with its value
                """),
        MistakeCase(
            name: "paths",
            text: "ports: []\ncontrol: { socket: run/evbd.sock, group: ~ }\nlibvirt: { pid-file: lldpad.pid }\n",
            lines: """
                evbd.yaml:2: control.socket: "run/evbd.sock" is not an absolute path; give a path that begins with /
                evbd.yaml:2: control.group: is empty; give the name of a group, or leave the key out
                evbd.yaml:3: libvirt.pid-file: "lldpad.pid" is not an absolute path; give a path that begins with /
                """),
        MistakeCase(
            name: "a socket path that fits no address",
            text: "ports: []\ncontrol: { socket: /\(String(repeating: "s", count: 107)) }\n",
            lines: "evbd.yaml:2: control.socket: is too long for a path, or has a NUL in it; give at most 107 octets"),
        MistakeCase(
            name: "a read-only socket",
            text: "ports: []\ncontrol: { socket: /tmp/s, read-only: { socket: /tmp/s, group: ~, mode: 666 } }\n",
            lines: """
                evbd.yaml:2: control.read-only.mode: is not a known key; the known keys are socket, group
                evbd.yaml:2: control.read-only.socket: is the same as control.socket; give another path, or leave the key out
                evbd.yaml:2: control.read-only.group: is empty; give the name of a group, or leave the key out for everybody
                """),
        MistakeCase(
            name: "the same key twice",
            text: "ports:\n  - interface: eth0\n    role: station\n    role: station\nports: []\n",
            lines: """
                evbd.yaml:4: ports[0].role: is given twice, first on line 3; give every key once
                evbd.yaml:5: ports: is given twice, first on line 1; give every key once
                """),
        MistakeCase(
            name: "aliases, anchors and tags",
            text: "ports:\n  - interface: &name eth0\n  - interface: *name\nlog: { level: !!str info }\n",
            lines: """
                evbd.yaml:2: ports[0].interface: has an anchor (&); write the value itself
                evbd.yaml:3: ports[1].interface: has an alias (*); write the value itself
                evbd.yaml:4: log.level: has a tag (!); write the value itself
                """),
        MistakeCase(
            name: "near misses",
            text: "port: []\nlogs: {}\nports:\n- { interface: a, edp: {}, mangler-id-placement: last, rloe: x }\n",
            lines: """
                evbd.yaml:1: port: is not a known key; did you mean ports?
                evbd.yaml:2: logs: is not a known key; did you mean log?
                evbd.yaml:4: ports[0].edp: is not a known key; did you mean ecp?
                evbd.yaml:4: ports[0].mangler-id-placement: is not a known key; did you mean manager-id-placement?
                evbd.yaml:4: ports[0].rloe: is not a known key; did you mean role?
                """),
        MistakeCase(
            name: "links",
            text: """
                ports:
                  - { interface: eth0, fallback: veb, gate: up, guest-filter: on }
                  - { interface: port0, role: bridge, gate: down, guest-filter: true }
                """,
            lines: """
                evbd.yaml:2: ports[0].fallback: "veb" is not a valid value; give vepa, bridge or hold
                evbd.yaml:2: ports[0].gate: "up" is not a valid value; give down or none
                evbd.yaml:2: ports[0].guest-filter: "on" is neither true nor false; give true
                evbd.yaml:3: ports[1].gate: does not apply to a port in the role bridge; remove it, or give role: station
                evbd.yaml:3: ports[1].guest-filter: does not apply to a port in the role bridge; remove it, or give role: \
                station
                """),
        MistakeCase(
            name: "misbehaviour",
            text: """
                ports:
                  - { interface: eth0, misbehave: { delay: 10 } }
                  - interface: port0
                    role: bridge
                    misbehave:
                      refuse: { hard: true, vsi: nobody }
                      delay: 0
                      silent: nothing
                      drop-acks: { count: 1, percent: 101 }
                      vlan: 4095
                      deassociate-every: 1h
                      refuze: {}
                  - { interface: port1, role: bridge, misbehave: { silent: all, delay: 5, drop-acks: {} } }
                """,
            lines: """
                evbd.yaml:2: ports[0].misbehave: does not apply to a port in the role station; remove it, or give role: \
                bridge
                evbd.yaml:6: ports[1].misbehave.refuse.reason: is missing; give invalid-format, insufficient-resources, \
                manager-unreachable, other-failure, invalid-vid-group-mac or reserved
                evbd.yaml:6: ports[1].misbehave.refuse.vsi: "nobody" is no VSIID; give a UUID, or ipv4:, ipv6:, mac: or \
                local: and the ID
                evbd.yaml:7: ports[1].misbehave.delay: 0 is out of range; give 1 to 600000
                evbd.yaml:8: ports[1].misbehave.silent: "nothing" is not a valid value; give answers or all
                evbd.yaml:9: ports[1].misbehave.drop-acks.percent: 101 is out of range; give 1 to 100
                evbd.yaml:9: ports[1].misbehave.drop-acks: needs exactly one of count and percent; give one of them
                evbd.yaml:10: ports[1].misbehave.vlan: 4095 is out of range; give 1 to 4094
                evbd.yaml:11: ports[1].misbehave.deassociate-every: "1h" is not a whole number in decimal digits; give 1 \
                to 86400
                evbd.yaml:12: ports[1].misbehave.refuze: is not a known key; did you mean refuse?
                evbd.yaml:13: ports[2].misbehave.drop-acks: needs exactly one of count and percent; give one of them
                evbd.yaml:13: ports[2].misbehave.delay: cannot be combined with silent; give one of them
                """),
        MistakeCase(
            name: "keys of the other role",
            text: """
                ports:
                  - { interface: eth0, reflective-relay: true }
                  - { interface: port0, role: bridge, edge-relay: vepa }
                  - interface: port1
                    fallback: vepa
                    role: bridge
                    manager-id-placement: last
                    reflective-relay: "no"
                """,
            lines: """
                evbd.yaml:2: ports[0].reflective-relay: does not apply to a port in the role station; remove it, or give \
                role: bridge
                evbd.yaml:3: ports[1].edge-relay: does not apply to a port in the role bridge; remove it, or give role: \
                station
                evbd.yaml:5: ports[2].fallback: does not apply to a port in the role bridge; remove it, or give role: \
                station
                evbd.yaml:7: ports[2].manager-id-placement: does not apply to a port in the role bridge; remove it, or \
                give role: station
                evbd.yaml:8: ports[2].reflective-relay: "no" is neither true nor false; give false, without quotes
                """),
    ]
}
